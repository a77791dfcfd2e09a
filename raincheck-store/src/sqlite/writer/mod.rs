//! The one thread that writes: gathers what callers ask for into one transaction, has the rules decide, and writes what
//! they say.

mod apply;
mod changes;
pub(super) mod counters;
pub(super) mod due;
mod facts;
mod follow;
mod lease;
pub(super) mod prepared;
mod purge;
pub(super) mod reply_sender;
pub(super) mod running;
pub(super) mod state;
pub(super) mod transaction;
mod trim;
mod unused_names;
