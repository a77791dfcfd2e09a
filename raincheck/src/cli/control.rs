//! `raincheck cancel`, `rerun`, `run-now` and `purge`.

use clap::Args;
use raincheck_client::Job;

use super::{
    Connect,
    exit::{Exit, Failure},
    ids::Ids,
    output::{self, Format, Output},
    style::Style,
};

/// Options of `run-now` and `purge`.
#[derive(Args, Debug)]
pub struct Control {
    #[command(flatten)]
    ids: Ids,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connect: Connect,
}

/// Options of `cancel`.
#[derive(Args, Debug)]
pub struct Cancel {
    #[command(flatten)]
    ids: Ids,
    /// Even when other callers share the job.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connect: Connect,
}

/// Options of `rerun`.
#[derive(Args, Debug)]
pub struct Rerun {
    #[command(flatten)]
    ids: Ids,
    /// Another input: JSON, or `@FILE` with JSON in it.
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// Even a POST that succeeded.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connect: Connect,
}

impl Cancel {
    /// Cancels each job.
    pub async fn run(self) -> Result<Exit, Failure> {
        let client = self.connect.client()?;
        let cancel = async |id: &str| {
            let job = client.cancel(id, self.force).await?;
            let words = if job.done { "canceled" } else { "asked to stop" };
            tell(&job, words, self.output.format)
        };
        self.ids.each(cancel).await
    }
}

impl Rerun {
    /// Runs each job again.
    pub async fn run(self) -> Result<Exit, Failure> {
        let client = self.connect.client()?;
        let input = match self.input.as_deref() {
            None => None,
            Some(text) => {
                let text = match text.strip_prefix('@') {
                    Some(path) => std::fs::read_to_string(path)
                        .map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?,
                    None => text.to_owned(),
                };
                let raw = serde_json::value::RawValue::from_string(text);
                Some(raw.map_err(|error| Failure::usage(format!("--input is not JSON: {error}")))?)
            }
        };
        let rerun = async |id: &str| {
            let submitted = client.rerun(id, input.as_ref(), self.force).await.map_err(|error| {
                let failure =
                    Failure::of_change(&error, "it runs again", "look for the new job with `raincheck list` first");
                match error.is_payload_lost() {
                    true => failure.next(format!("give another input: raincheck rerun {id} --input JSON")),
                    false => failure,
                }
            })?;
            tell(&submitted.job, &format!("runs {id} again"), self.output.format)
        };
        self.ids.each(rerun).await
    }
}

impl Control {
    /// Makes each job due.
    pub async fn run_now(self) -> Result<Exit, Failure> {
        let client = self.connect.client()?;
        let run_now = async |id: &str| tell(&client.run_now(id).await?, "is due now", self.output.format);
        self.ids.each(run_now).await
    }

    /// Removes each job.
    pub async fn purge(self) -> Result<Exit, Failure> {
        let client = self.connect.client()?;
        let purge = async |id: &str| {
            client.purge(id).await?;
            match self.output.format {
                Format::Table => say(id, "purged"),
                format => output::json(&serde_json::json!({ "id": id, "purged": true }), format),
            }?;
            Ok(Exit::Done)
        };
        self.ids.each(purge).await
    }
}

fn tell(job: &Job, words: &str, format: Format) -> Result<Exit, Failure> {
    if format == Format::Table { say(&job.id, words) } else { output::json(job, format) }.map(|()| Exit::Done)
}

/// The id, so that it can be piped on, and for people what became of it.
fn say(id: &str, words: &str) -> Result<(), Failure> {
    if Style::stdout().is_terminal() {
        output::print(&format!("{id}  {words}\n"))
    } else {
        output::print(&format!("{id}\n"))
    }
}
