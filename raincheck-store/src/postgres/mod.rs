//! Many nodes on one PostgreSQL: one group-committing writer a node, set-based statements, and readers apart.

mod after;
mod anchor;
mod anew;
mod apply;
mod batch;
mod check;
mod chunks;
mod claims;
mod commit;
mod connect;
mod db;
mod driver;
mod encryption;
mod events;
mod facts;
mod feed;
mod figures;
mod floors;
mod flush;
mod follow;
mod forget;
mod heartbeats;
mod hints;
mod history;
mod hosts;
mod jobs;
mod leasing;
mod life;
mod link;
mod list;
mod lost;
mod migrate;
mod missing;
mod names;
mod node;
mod objects;
mod open;
mod orphans;
mod pool;
mod purge;
mod read;
mod reader;
mod ready;
mod rows;
mod run;
mod serve;
mod shared;
mod silence;
mod stranger;
mod stretch;
mod sweep;
mod tail;
mod tend;
mod thin;
mod trim;
mod trouble;
mod unverified;
mod visit;
mod writer;

pub use anew::Anew;
pub use check::PostgresDoctor;
pub(crate) use figures::{SERVED, TICKETS};
pub use open::PostgresOptions;
pub(crate) use open::id;
pub(crate) use rows::{escaped, plain};
pub use shared::Time;
pub(crate) use shared::{NOW, Trouble};
pub use stranger::{Stranger, TableSize};
pub(crate) use stretch::Stretches;
pub use tend::Tended;

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
