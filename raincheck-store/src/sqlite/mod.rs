//! One file on one machine: an embedded SQLite with one writer thread, group commit and readers apart.

mod answers;
mod apply;
mod backup;
mod budget;
mod check;
mod checkpoint;
mod chunks;
mod claims;
mod events;
mod figures;
mod files;
mod follow;
mod forget;
#[cfg(test)]
mod fuzz;
mod high_water;
mod kept;
mod list;
mod names;
mod objects;
mod open;
mod orphans;
mod purge;
mod read;
mod ready;
mod rows;
mod running;
mod shared;
mod space;
mod sweep;
mod tables;
mod trim;
mod trouble;
mod visit;
mod watch;
mod writer;

pub(crate) use backup::failed;
pub use backup::{BackedUp, Damaged};
pub use check::SqliteDoctor;
pub use open::SqliteOptions;
pub(crate) use open::id;
pub(crate) use ready::unpacked;
pub(crate) use shared::other;
pub(crate) use trouble::Trouble;

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

use shared::Shared;
use writer::Request;

/// The store on SQLite. See [`crate::Store`] for what it promises.
pub struct SqliteStore {
    shared: Arc<Shared>,
    /// Without a bound of its own: a caller waits for its answer before it asks again.
    requests: RwLock<Option<mpsc::UnboundedSender<Request>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop_checkpoints: Arc<checkpoint::Stop>,
    /// Held for as long as the data is open; the system lets go of it when the process ends, however it ends.
    lock: Mutex<Option<std::fs::File>>,
}
