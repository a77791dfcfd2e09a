//! Warm processes: one per slot takes job after job, so that a model is loaded once.
//!
//! A job is one line of JSON on the program's standard input:
//!
//! ```json
//! {"job": {"id": "…", "kind": "…", …}, "input": …, "attempt": 1}
//! ```
//!
//! `input` is the job's JSON as it was submitted. One that is not JSON is `null`, and the members `input_path` (a file)
//! and `content_type` stand beside it.
//!
//! The program answers with one line on its standard output, before which it may report progress. Each names the job and
//! the attempt that it is about, as the question did:
//!
//! ```json
//! {"job": "…", "attempt": 1, "progress": {"percent": 42, "message": "…"}}
//! {"job": "…", "attempt": 1, "result": …}
//! {"job": "…", "attempt": 1, "error": {"type": "…", "title": "…", "detail": "…"}, "retryable": true, "retry_after": "30s"}
//! ```
//!
//! `error` may be a plain text; without `retryable` it is final. An answer has 64 MiB at most. Lines that are no answer go
//! to the log, as standard error does; one that was meant to be the answer and cannot be read fails its job (retryable),
//! and the process is replaced. Descriptor 3 takes progress, too.
//!
//! A process that dies fails its job (retryable) and is started again for the next one; to cancel a job its process is
//! stopped as any command is. Idle processes end with the worker.
//!
//! **Out of step.** What a program says about one job must never end another. So a process that has written something
//! after its answer, closed its output or ended gets no other job. While one is asked about this job, a second answer for
//! an earlier one only makes this its last; an answer for any other job fails this one, retryable.
//!
//! **Not even read.** A process that ended without reading anything of a question says nothing about the job: after other
//! jobs, another process is asked; at its very start, it is the worker's own trouble, as a program that cannot be started.

use std::{io, sync::Mutex};

use super::{
    lines::question,
    once,
    plan::Plan,
    supervisor::{Ended, cannot_start},
    warm::{Death, Turn, Warm},
};
use crate::{
    Error,
    run::{Outcome, Task},
};

/// The idle processes.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Warm>>,
}

impl Pool {
    pub(super) async fn run(&self, plan: &Plan, task: &Task) -> Result<Outcome, Error> {
        let (question, _input) = tokio::select! {
            question = question(plan, task) => question?,
            reason = task.stopped() => return Ok(once::stopped(reason)),
        };
        if let Some(mut used) = self.take() {
            match used.turn(task, &question).await {
                // As some do after so many jobs.
                Turn::Died(Death { unread: true, .. }) => {}
                turn => return self.end(used, turn, plan, task).await,
            }
        }
        let mut new = Warm::start(plan).await?;
        let turn = new.turn(task, &question).await;
        self.end(new, turn, plan, task).await
    }

    async fn end(&self, mut warm: Warm, turn: Turn, plan: &Plan, task: &Task) -> Result<Outcome, Error> {
        Ok(match turn {
            Turn::Answered(outcome, in_step) => {
                if let (true, Ok(mut idle)) = (in_step, self.idle.lock()) {
                    idle.push(warm);
                }
                outcome
            }
            Turn::Stopped(reason) => {
                warm.stop(plan, task).await;
                once::stopped(reason)
            }
            Turn::Strayed => {
                let detail = warm.tail.text();
                Outcome::retry("wrong-answer", "the kept program answered for another job or attempt", detail)
            }
            Turn::Died(Death { ended: Some(Ok(Ended::NotStarted(source))), .. }) => {
                return Err(cannot_start(plan, source));
            }
            Turn::Died(Death { ended, unread }) => {
                let detail = warm.tail.text();
                // It closed its output; whether it ends by itself or has to be helped is all the same.
                let status = ended.and_then(Result::ok).and_then(Ended::status);
                let how = status.map(|status| format!(" ({status})")).unwrap_or_default();
                if unread {
                    let source = io::Error::other(format!("it ended before its first job{how}: {detail}"));
                    return Err(cannot_start(plan, source));
                }
                Outcome::retry("program-ended", format!("the kept program ended before it answered{how}"), detail)
            }
        })
    }

    fn take(&self) -> Option<Warm> {
        let mut idle = self.idle.lock().ok()?;
        loop {
            let mut warm = idle.pop()?;
            if warm.is_in_step() {
                return Some(warm);
            }
        }
    }
}
