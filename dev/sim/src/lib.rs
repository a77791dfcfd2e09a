//! The rules of Raincheck against a simulated store, clock, network and worst luck: seeded, in one thread, without I/O.
//!
//! [`Sim`] is a world; [`model`] is the store in it, which real stores are compared with; [`check`] is the checker that
//! sees every commit and answer and knows what must hold. `docs/reliability.md` says how to use it.

pub mod check;
mod flaw;
pub mod model;
mod sim;

pub use flaw::Flaw;
pub use model::{Model, Setup};
pub use sim::{BEGIN, Failure, Fate, Luck, Plan, Server, Sim, Step, Tally, ask};
