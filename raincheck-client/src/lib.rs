//! Client and worker runtime for Raincheck, over the public HTTP protocol alone.
//!
//! ```no_run
//! # async fn example() -> Result<(), raincheck_client::Error> {
//! use raincheck_client::{Client, api::NewJob};
//!
//! let client = Client::builder("http://127.0.0.1:8202").build()?;
//! let submitted = client.submit(&NewJob::new("greet").with_input("Ada")?).await?;
//! let job = client.wait(&submitted.job.id, None).await?;
//! println!("{}: {:?}", job.state, job.result.and_then(|result| result.value));
//! # Ok(()) }
//! ```
//!
//! # What it holds
//!
//! * [`Client`] submits, reads and controls jobs: one method for one request ([`client`]).
//! * [`Worker`] takes jobs and runs each with the [`Runner`] of its kind ([`worker`]): an async function
//!   ([`run::function()`]) or any program ([`run::command`]).
//! * The wire shapes: [`api`].
//!
//! # The walk
//!
//! A method of [`Client`] makes a request, tries again while that is safe, and reads the answer as a shape of [`api`]
//! or an [`Error`]. A [`Worker`] is the loop of `raincheck-worker` with HTTP as its transport; it hands each lease as a
//! [`Task`] to a [`Runner`], whose [`Outcome`] is delivered.
//!
//! # What it must not know
//!
//! The server's crates: it has its own shapes of what goes over the wire, so that what is published is what is used.
//!
//! # Where to begin
//!
//! [`Client::submit`] and [`Client::wait`]; for workers [`Runner`], then [`run::command`].

pub mod api;
mod aside;
pub mod client;
mod error;
pub mod run;
pub mod worker;

pub use api::{Event, Job, Lease, NewJob, Problem, Progress, State};
pub use client::{Body, Client, ClientBuilder};
pub use error::Error;
pub use run::{Outcome, Runner, Task};
pub use worker::{Worker, WorkerBuilder};
