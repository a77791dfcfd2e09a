//! One file on one machine: an embedded SQLite with one writer thread, group commit and readers apart.

mod backup;
mod check;
mod checkpoint;
mod connection;
mod disk;
mod error;
#[cfg(test)]
mod fuzz;
mod mark;
mod open;
mod options;
mod orphans;
mod shared;
mod store;
mod tables;
mod writer;

pub(crate) use backup::failed;
pub use backup::{BackedUp, Damaged};
pub use check::SqliteDoctor;
pub(crate) use error::{SqliteError, other};
pub use options::SqliteOptions;
pub use store::SqliteStore;
pub(crate) use tables::lease_requests::unpacked;
pub(crate) use tables::meta::id;
