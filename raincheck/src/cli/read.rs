//! `raincheck get`, `wait` and `watch`.

use std::time::Duration;

use clap::Args;
use raincheck_client::{Error, Job, State, api::WireDuration};
use tokio::time::Instant;

use super::{
    Bars, Connect,
    exit::{Exit, Failure},
    follow,
    follow::{percent, words},
    ids::{Ids, said},
    output::{self, Format, Output, painted},
    style::state_ink,
    when,
};

/// Options of `get`.
#[derive(Args, Debug)]
pub struct Get {
    #[command(flatten)]
    ids: Ids,
    /// Show the input, too.
    #[arg(long)]
    input: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connect: Connect,
}

impl Get {
    /// Shows each job.
    pub async fn run(self) -> Result<Exit, Failure> {
        let client = self.connect.client()?;
        let get = async |id: &str| {
            let job = if self.input { client.get_with_input(id).await? } else { client.get(id, None).await? };
            show(&job, self.output.format).map(|()| Exit::Done)
        };
        self.ids.each(get).await
    }
}

/// Options of `wait`.
#[derive(Args, Debug)]
pub struct Wait {
    #[command(flatten)]
    ids: Ids,
    /// Give up after so long.
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    timeout: Option<WireDuration>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connect: Connect,
}

impl Wait {
    /// Waits for each job and shows it.
    pub async fn run(self) -> Result<Exit, Failure> {
        let client = self.connect.client()?;
        let begun = Instant::now();
        let wait = async |id: &str| {
            let left = self.timeout.map(|timeout| (timeout.0, timeout.0.saturating_sub(begun.elapsed())));
            let job = match left {
                None => client.wait(id, None).await?,
                // Those that are done by now are.
                Some((most, Duration::ZERO)) => match client.get(id, None).await? {
                    job if job.done => job,
                    _ => return Err(Failure::late(id, most)),
                },
                Some((most, left)) => client.wait(id, Some(left)).await.map_err(|error| match error {
                    Error::TimedOut(_) => Failure::late(id, most),
                    error => error.into(),
                })?,
            };
            show(&job, self.output.format).map(|()| Exit::of(&job))
        };
        self.ids.each(wait).await
    }
}

/// Options of `watch`.
#[derive(Args, Debug)]
pub struct Watch {
    #[command(flatten)]
    ids: Ids,
    /// Give up after so long.
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    timeout: Option<WireDuration>,
    #[command(flatten)]
    connect: Connect,
}

impl Watch {
    /// Follows the jobs, all at once.
    pub async fn run(self) -> Result<Exit, Failure> {
        let client = self.connect.client()?;
        let bars = std::cell::RefCell::new(Bars::new());
        let jobs = self.ids.read()?.into_iter().map(|id| {
            let (client, bars) = (&client, &bars);
            async move {
                let mut show = Shared(bars);
                let followed = within(self.timeout.map(Duration::from), &id, follow(client, &id, &mut show)).await;
                said(&id, followed.map(|job| Exit::of(&job)))
            }
        });
        let jobs = futures_util::future::try_join_all(jobs).await?;
        Ok(jobs.into_iter().fold(Exit::Done, Exit::and))
    }
}

/// Bars that several followers show on, one task.
pub struct Shared<'a>(pub &'a std::cell::RefCell<Bars>);

impl super::Show for Shared<'_> {
    fn job(&mut self, job: &Job) {
        if let Ok(mut bars) = self.0.try_borrow_mut() {
            bars.job(job);
        }
    }

    fn done(&mut self, job: &Job) {
        if let Ok(mut bars) = self.0.try_borrow_mut() {
            bars.done(job);
        }
    }
}

/// What comes of following a job, unless that takes longer.
pub async fn within(
    most: Option<Duration>,
    id: &str,
    followed: impl Future<Output = Result<Job, Failure>>,
) -> Result<Job, Failure> {
    match most {
        Some(most) => tokio::time::timeout(most, followed).await.unwrap_or_else(|_| Err(Failure::late(id, most))),
        None => followed.await,
    }
}

fn show(job: &Job, format: Format) -> Result<(), Failure> {
    if format != Format::Table {
        return output::json(job, format);
    }
    let mut lines = vec![
        ("id", (job.id.clone(), None)),
        ("kind", (job.kind.clone(), None)),
        ("queue", (job.queue.clone(), None)),
        ("state", (job.state.to_string(), Some(state_ink(job.state)))),
    ];
    let mut add = |name, value: Option<String>| {
        lines.extend(value.filter(|value| !value.is_empty()).map(|value| (name, (value, None))))
    };
    add("label", job.label.clone());
    add("progress", percent(job).filter(|_| job.state == State::Running).map(|percent| format!("{percent:.1} %")));
    add("", Some(words(job)).filter(|_| !job.done));
    add(
        "attempt",
        Some(format!("{} (failed {} of {})", job.attempt, job.failures, job.max_attempts)).filter(|_| job.attempt > 0),
    );
    add("created", job.created_at.as_deref().map(|at| format!("{at} ({})", when::ago(at))));
    add(
        "run at",
        job.run_at.as_deref().filter(|_| job.state == State::Scheduled).map(|at| format!("{at} ({})", when::ago(at))),
    );
    let took = when::between(job.started_at.as_deref(), job.finished_at.as_deref());
    add("took", took.map(when::short));
    add("tags", Some(job.tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")));
    add("rerun of", job.rerun_of.clone());
    add("input", job.input.as_ref().map(|input| input.get().to_owned()));
    add("error", job.error.as_ref().map(ToString::to_string));
    add("last error", job.last_error.as_ref().map(ToString::to_string));
    if let Some(result) = &job.result {
        let value = result.value.as_ref().map(|value| value.get().to_owned());
        let size = result.size.map(when::bytes).unwrap_or_default();
        let kind = result.content_type.clone().unwrap_or_default();
        add("result", value.or_else(|| Some(format!("{kind}, {size}: raincheck result {}", job.id))));
    }
    output::print(&painted(&lines))
}
