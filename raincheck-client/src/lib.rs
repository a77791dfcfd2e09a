//! Client and worker runtime for Raincheck, over the public HTTP protocol alone.
//!
//! * [`Client`] submits, reads and controls jobs: one method for one request.
//! * [`Worker`] takes jobs and runs each with the [`Runner`] of its kind: an async function ([`run::function()`]) or any
//!   program ([`run::command`]).
//! * [`api`] holds the wire shapes.
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
