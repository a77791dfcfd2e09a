//! Durable state of Raincheck behind one seam.
//!
//! # What it holds
//!
//! * The seam: [`Store`], with one verb that writes, [`Store::apply`], and a handful that read.
//! * Two stores: [`SqliteStore`] for one machine, [`PostgresStore`] for several nodes on one server; `sqlite/` and
//!   `postgres/` are laid out alike, file beside file. [`open()`] takes either by its options.
//! * What both share: the columns of every table, once (`columns`), what is stored as text (`codec`), large payloads as
//!   files or objects ([`Blobs`]), leases in memory, migrations.
//! * What keeps them honest: the suite `conformance`, which every store passes, and [`doctor()`], which looks through
//!   the data for broken promises.
//!
//! # The walk
//!
//! [`Store::apply`] hands commands to the one writer of the store, which gathers what waits into one transaction. For
//! each command it loads what [`raincheck_core::interpreter::needs`] asks for, has the core decide, and writes every
//! change with its event. When that is on disk it publishes a [`Commit`], which the engine follows by
//! [`Store::commits`], and only then answers. Readers have connections of their own.
//!
//! # What it must not know
//!
//! HTTP, use cases, and rules: it writes what the core decided.
//!
//! # Where to begin
//!
//! [`Store`], for what every store promises; then `sqlite/writer/transaction.rs`, which numbers its steps, and beside
//! it `postgres/writer/transaction.rs`, which numbers the same ones.

mod blobs;
mod checkup;
mod clock;
mod codec;
mod columns;
mod commit_times;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod folder;
mod leases;
mod migrate;
mod open;
mod postgres;
mod records;
mod rules;
mod sqlite;
mod store;

pub use blobs::{
    Arrival, BlobPlace, BlobStream, BlobUse, BlobWriter, Blobs, Litter, OrphanSearch, S3Options, Unclaimed,
};
pub use checkup::{CheckPage, Checkup, Finding, Invariant};
pub use commit_times::{COMMIT_MICROS, CommitTimes};
pub use error::StoreError;
pub use migrate::{Moved, migrate};
pub use open::{StoreOptions, doctor, open};
pub use postgres::{Anew, Maintained, PostgresDoctor, PostgresOptions, PostgresStore, Stranger, TableSize, Time};
pub use records::{
    Chunk, ChunkInfo, Commit, EventFilter, EventPage, FeedStats, Filter, Found, JobPage, KindLine, KindStats, Most,
    Overrun, QueueStats, Record, Renewal, Renewed, ResultInfo, Stats,
};
pub use sqlite::{BackedUp, Damaged, SqliteDoctor, SqliteOptions, SqliteStore};
pub use store::Store;
