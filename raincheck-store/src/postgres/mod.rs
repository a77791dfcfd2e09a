//! Many nodes on one PostgreSQL: one group-committing writer a node, set-based statements, and readers apart.
//!
//! From below: [`connection`] to one server, [`tables`] and their rows, what this node shares ([`shared`]): its number among
//! the nodes ([`node`]), the [`history`] that the data is in, the change [`feed`], the [`partitions`] of the tables. On that
//! stand the [`writer`], through which every command goes, and the [`reader`]; [`store`] puts both behind the trait
//! [`crate::Store`]. [`check`] looks at the data from beside.

mod check;
mod connection;
mod error;
mod feed;
mod history;
mod migrate;
mod node;
mod open;
mod orphans;
mod partitions;
mod read_only;
mod reader;
mod serve;
mod shared;
mod store;
mod stranger;
mod tables;
mod writer;

pub use check::PostgresDoctor;
pub(crate) use error::Trouble;
pub use history::Anew;
pub use open::PostgresOptions;
pub(crate) use open::id;
pub(crate) use partitions::Stretches;
pub use partitions::Tended;
pub(crate) use shared::NOW;
pub use shared::Time;
pub use stranger::{Stranger, TableSize};
pub(crate) use tables::{SERVED, TICKETS, escaped, plain};

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use shared::Shared;
use writer::Request;

/// The store on PostgreSQL. See [`crate::Store`] for what it promises.
pub struct PostgresStore {
    shared: Arc<Shared>,
    /// Without a bound of its own: a caller waits for its answer before it asks again.
    requests: RwLock<Option<mpsc::UnboundedSender<Request>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// What goes on beside it, until the store is closed.
    tasks: Mutex<Vec<JoinHandle<()>>>,
}
