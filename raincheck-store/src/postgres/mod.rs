//! Many nodes on one PostgreSQL: one group-committing writer a node, set-based statements, and readers apart.
//!
//! From below: [`connection`] to one server, [`tables`] and their rows, what this node shares ([`shared`]): its number
//! among the nodes ([`node`]), the [`history`] that the data is in, the change [`feed`], the [`partitions`] of the
//! tables. On that stand the [`writer`], through which every command goes, and the [`reader`]; [`store`] puts both
//! behind the trait [`crate::Store`]. [`check`] looks at the data from beside.

mod check;
mod connection;
mod error;
mod feed;
mod history;
mod locks;
mod migrate;
mod node;
mod open;
mod options;
mod orphans;
mod partitions;
mod read_only;
mod reader;
mod shared;
mod store;
mod stranger;
mod tables;
mod writer;

pub use check::PostgresDoctor;
pub(crate) use error::PgError;
pub use history::Anew;
pub(crate) use node::clock::NOW;
pub use node::clock::Time;
pub(crate) use open::id;
pub use options::PostgresOptions;
pub use partitions::Maintained;
pub(crate) use partitions::Partitions;
pub use store::PostgresStore;
pub use stranger::{Stranger, TableSize};
pub(crate) use tables::{SERVED, TICKETS, escaped, plain};
