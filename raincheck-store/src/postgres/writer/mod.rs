//! The writer of a node: everything that changes a job is one of its transactions. It must not know HTTP, use cases or
//! rules: the core decides, this loads facts and writes changes.
//!
//! [`task`] takes what callers ask for, and [`transaction`] carries it out, in a [`batch`]: [`facts`] are loaded,
//! [`apply`] has the core decide, [`ready`], [`sweep`] and [`purge`] find jobs, [`flush`] writes, and [`commit`] takes
//! the place in the feed and makes known what is on disk.

mod apply;
mod batch;
mod caps;
mod claim;
mod commit;
mod facts;
mod flush;
mod follow;
mod jobs;
mod leases;
mod objects;
mod overlay;
mod purge;
mod ready;
mod reconnect;
mod request;
pub(crate) mod scan_start;
pub(crate) mod state;
pub(crate) mod sweep;
pub(crate) mod task;
mod transaction;
mod trim;
mod unused_names;

pub(crate) use request::Request;
