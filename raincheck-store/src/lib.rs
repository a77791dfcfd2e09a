//! Durable state of Raincheck behind one seam.
//!
//! [`Store`] is the seam; each folder beside it is one choice: `sqlite/` for one machine, `postgres/` for
//! several nodes on one server.
//! A store loads facts, lets [`raincheck_core::decide`] turn commands into changes, and writes all changes and
//! their events in one transaction. It knows no HTTP and no rules.

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
    Chunk, ChunkInfo, Commit, EventFilter, EventPage, FeedStats, Filter, Found, JobPage, KindStats, Most, Overrun,
    QueueStats, Record, Renewal, Renewed, ResultInfo, Stats,
};
pub use sqlite::{BackedUp, Damaged, SqliteDoctor, SqliteOptions, SqliteStore};
pub use store::Store;
