//! What the store has on the disk besides rows: its files, what they may take, and whether they are still there.

pub(super) mod budget;
pub(super) mod files;
pub(super) mod high_water;
pub(super) mod read_only;
pub(super) mod space;
pub(super) mod watch;
