//! The loop of every worker: lease, run, keep alive, settle; with cancels, lost leases, trouble and draining.
//!
//! # What it holds
//!
//! A [`Worker`], which is a loop over two seams: a [`Transport`] is the way to the server, over HTTP or within its
//! process; a [`Host`] runs what is leased, as a function or a program.
//!
//! # The walk
//!
//! Four loops share one `board` of running leases. *poll* asks for work with a long poll while there are free slots.
//! *settle* hands in what ended and takes new work for the freed slots in the same round trip. *pulse* sends every
//! heartbeat and learns of cancels and lost leases. *run* is one task a lease. A slot is a semaphore permit that
//! travels: from poll or settle to the run, and with its end back to settle, so it can neither leak nor double.
//!
//! What goes wrong on the worker's own side costs no job an attempt; see `trouble.rs`.
//!
//! # What it must not know
//!
//! How the server is reached, what a run is, and every other crate of ours.
//!
//! # Where to begin
//!
//! [`Transport`] and [`Host`], which say all that the loop asks of both ends; then `run.rs`.

mod backoff;
mod board;
mod host;
mod latest;
mod poll;
mod pulse;
mod run;
mod settle;
mod shared;
mod start;
mod stop;
mod transport;
mod trouble;
mod worker;

pub use backoff::Backoff;
pub use host::{Controls, Ending, Host, Over, Run};
pub use latest::Latest;
pub use stop::{Stop, StopReason};
pub use transport::{Answer, Ask, Beat, Transport, TransportError, Verdict};
pub use worker::{Error, Options, Worker};
