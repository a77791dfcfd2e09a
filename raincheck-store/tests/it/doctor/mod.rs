//! The doctor finds nothing in a sound store, and each of its checks finds the damage it was made for.

mod batches;
mod files;
mod rows;
mod sound;
mod store;

pub use store::{copy, filled, options};
