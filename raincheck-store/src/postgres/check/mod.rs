//! A look through the data for broken promises: one stage after another ([`examiner`]), each in pieces that are one
//! short transaction, so that the database can always clean up behind them. A [`stage`] is one kind of look, and has a
//! file of its own. None of them may know how a promise is kept: they count again.

mod belongings;
mod claims;
mod counters;
mod doctor;
mod examiner;
mod feed;
mod files;
mod follow;
mod history;
mod jobs;
mod objects;
mod stage;
mod surroundings;

pub use doctor::PostgresDoctor;
pub(crate) use examiner::of_live;
