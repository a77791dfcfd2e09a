//! `raincheck worker list` and `openapi`.

use clap::{Args, Subcommand};
use raincheck_client::api::WorkerInfo;

use super::{
    Connect,
    exit::{Exit, Failure},
    output::{self, Cell, Format, Listing, Output},
    style::Ink,
    when,
};

/// `raincheck worker …`
#[derive(Subcommand, Debug)]
pub enum WorkerCommand {
    /// List the workers that asked for work lately
    List(ListOptions),
}

/// Options of a list.
#[derive(Args, Debug)]
pub struct ListOptions {
    #[command(flatten)]
    /// How it is shown.
    pub output: Listing,
    #[command(flatten)]
    /// Which server.
    pub connect: Connect,
}

/// Options of what shows or changes one thing.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    /// How it is shown.
    pub output: Output,
    #[command(flatten)]
    /// Which server.
    pub connect: Connect,
}

impl WorkerCommand {
    /// Lists workers.
    pub async fn run(self) -> Result<Exit, Failure> {
        let Self::List(options) = self;
        let workers = options.connect.client()?.workers().await?;
        let columns = ["WORKER", "VERSION", "KINDS", "QUEUES", "RUNNING", "SEEN", "TROUBLE"];
        options.output.show(&workers, &columns, worker)?;
        Ok(Exit::Done)
    }
}

/// Prints the OpenAPI document of this version.
///
/// # Errors
/// When standard output can't be written.
pub fn openapi() -> Result<Exit, Failure> {
    output::json(&*raincheck_http::OPENAPI, Format::Json)?;
    Ok(Exit::Done)
}

fn worker(worker: &WorkerInfo) -> Vec<Cell> {
    let text = |name: &str| {
        worker
            .more
            .get(name)
            .map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    vec![
        (worker.name.clone(), None),
        (worker.version.clone().unwrap_or_default(), None),
        (worker.kinds.join(","), None),
        (if worker.queues.is_empty() { "all".to_owned() } else { worker.queues.join(",") }, None),
        (text("running"), None),
        (when::ago(&text("last_seen")), Some(Ink::Dim)),
        (worker.trouble.clone().unwrap_or_default(), None),
    ]
}
