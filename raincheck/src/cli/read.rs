//! `raincheck get`, `wait` and `watch`.

use std::time::Duration;

use clap::Args;
use raincheck_client::{Job, State, api::WireDuration};

use super::{
    Bars, Connect,
    exit::{Exit, Failure},
    follow,
    follow::{percent, words},
    ids::Ids,
    output::{self, Format, Output, facts},
    style::{Style, tame},
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
        for id in self.ids.read()? {
            let job = if self.input { client.get_with_input(&id).await? } else { client.get(&id, None).await? };
            show(&job, self.output.format)?;
        }
        Ok(Exit::Done)
    }
}

/// Options of `wait`.
#[derive(Args, Debug)]
pub struct Wait {
    #[command(flatten)]
    ids: Ids,
    /// Give up after so long.
    #[arg(long, value_name = "DURATION")]
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
        let deadline = self.timeout.map(|timeout| tokio::time::Instant::now() + timeout.0);
        let mut exit = Exit::Done;
        for id in self.ids.read()? {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(tokio::time::Instant::now()));
            let job = client.wait(&id, left).await?;
            show(&job, self.output.format)?;
            exit = worse(exit, Exit::of(&job));
        }
        Ok(exit)
    }
}

/// Options of `watch`.
#[derive(Args, Debug)]
pub struct Watch {
    #[command(flatten)]
    ids: Ids,
    /// Give up after so long.
    #[arg(long, value_name = "DURATION")]
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
                follow(client, &id, &mut show).await
            }
        });
        let all = futures_util::future::try_join_all(jobs);
        let most = self.timeout.map(Duration::from);
        let jobs = match most {
            Some(most) => tokio::time::timeout(most, all)
                .await
                .map_err(|_| Failure::new(Exit::TimedOut, format!("not done within {} s", most.as_secs_f64())))?,
            None => all.await,
        }?;
        Ok(jobs.iter().map(Exit::of).fold(Exit::Done, worse))
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

fn worse(a: Exit, b: Exit) -> Exit {
    if a == Exit::Done { b } else { a }
}

fn show(job: &Job, format: Format) -> Result<(), Failure> {
    if format != Format::Table {
        return output::json(job, format);
    }
    let mut lines = vec![
        ("id", job.id.clone()),
        ("kind", job.kind.clone()),
        ("queue", job.queue.clone()),
        ("state", Style::stdout().state(job.state)),
    ];
    let mut add = |name, value: Option<String>| {
        lines.extend(value.filter(|value| !value.is_empty()).map(|value| (name, tame(&value))))
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
    output::print(&facts(&lines))
}
