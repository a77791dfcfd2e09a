//! What is asked beside the writer, on connections of the pool, and may be done twice: jobs, events, streams; and
//! heartbeats, which need no decision. It must not know how a transaction of the writer is made.

pub(crate) mod chunks;
pub(crate) mod events;
pub(crate) mod heartbeats;
pub(crate) mod jobs;
pub(crate) mod lines;
pub(crate) mod list;
pub(crate) mod objects;
pub(crate) mod query;
