//! Payloads that no job refers to, and half-written ones that nobody writes any more.

mod aside;
mod litter;
mod search;

pub(crate) use aside::KEPT;
pub use litter::Litter;
pub use search::OrphanSearch;
pub(crate) use search::{References, look_aside, set_aside};
