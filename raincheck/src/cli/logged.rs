//! A runner whose runs are lines of the log.

use std::time::{Duration, Instant};

use raincheck_client::{Error, Outcome, Runner, Task};

/// Says when a run begins and how it ended.
pub struct Logged<R>(pub R);

#[async_trait::async_trait]
impl<R: Runner> Runner for Logged<R> {
    async fn run(&self, task: Task) -> Outcome {
        let (job, kind, attempt) = (task.job().id.clone(), task.job().kind.clone(), task.attempt());
        tracing::info!(job, kind, attempt, "a run begins");
        let mut run = Run { job, kind, attempt, begun: Instant::now(), is_over: false };
        let stop = task.stop().clone();
        let outcome = self.0.run(task).await;
        let (how, why) = match &outcome {
            Outcome::Complete(_) => ("succeeded", None),
            Outcome::Fail(failure) => ("failed", failure.error.detail.as_ref().or(failure.error.title.as_ref())),
            Outcome::Release(_) => ("given back", None),
            Outcome::Trouble(why) => ("given back", Some(why)),
        };
        let stopped = stop.reason().map(|reason| format!("{reason:?}").to_lowercase());
        run.ended(how, stopped.as_deref(), why.map(String::as_str));
        outcome
    }

    async fn ready(&self) -> Result<(), Error> {
        self.0.ready().await
    }

    fn stops_within(&self) -> Duration {
        self.0.stops_within()
    }
}

/// One that has begun.
struct Run {
    job: String,
    kind: String,
    attempt: u32,
    begun: Instant,
    is_over: bool,
}

impl Run {
    fn ended(&mut self, outcome: &str, stopped: Option<&str>, why: Option<&str>) {
        let Self { job, kind, attempt, .. } = self;
        let milliseconds = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(%job, %kind, attempt, outcome, stopped, why, milliseconds, "a run ended");
        self.is_over = true;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.is_over {
            self.ended("dropped, as it did not stop in time", None, None);
        }
    }
}
