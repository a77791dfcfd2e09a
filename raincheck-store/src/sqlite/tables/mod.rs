//! The tables: what is asked of each and written into it, in SQL. Nothing here knows the writer.

pub(super) mod chunks;
pub(super) mod claims;
pub(super) mod events;
pub(super) mod follow_ups;
pub(super) mod lease_requests;
pub(super) mod lines;
pub(super) mod list;
pub(super) mod meta;
pub(super) mod names;
pub(super) mod objects;
pub(super) mod records;
pub(super) mod rows;
pub(super) mod stats;
