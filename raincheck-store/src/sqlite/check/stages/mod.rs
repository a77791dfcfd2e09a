//! What is looked at, one file for each kind of row or file.

pub(super) mod belongings;
pub(super) mod claims;
pub(super) mod counters;
pub(super) mod database;
pub(super) mod feed;
pub(super) mod files;
pub(super) mod follow_ups;
pub(super) mod forgotten;
pub(super) mod held;
pub(super) mod jobs;
pub(super) mod objects;
pub(super) mod ready;
pub(super) mod surroundings;
