//! A look through the data for broken promises: one stage after another, each in pieces that are one short read
//! transaction, so that the write-ahead log never waits for it.

mod damage;
mod doctor;
mod examiner;
mod expected_files;
mod live;
mod recount;
mod stage;
mod stages;

pub use doctor::SqliteDoctor;

pub(super) use damage::is_damage;
pub(super) use live::of_live;
