//! One process for one run.

use std::{fs::File, os::unix::process::ExitStatusExt as _, process::ExitStatus, sync::Arc, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{
    Plan,
    facts::Facts,
    health,
    log::{self, Tail},
    pipes::{Files, Pipes},
    progress, result,
    supervisor::{self, Ended, Supervisor},
    supervisors::Supervisors,
};
use crate::{
    Error,
    client::ResultBody,
    run::{Outcome, StopReason, Task},
};

/// After the program's end its pipes may stay open so long: a process that escaped may hold them for ever.
const PIPES_WITHIN: Duration = Duration::from_secs(2);

pub(super) async fn run(supervisors: &Arc<Supervisors>, plan: &Plan, task: &Task) -> Result<Outcome, Error> {
    let mut supervisor = supervisors.take(plan)?;
    let outcome = run_under(&mut supervisor, plan, task).await;
    if let Ok(Outcome::Complete(ResultBody::File { .. })) = &outcome {
        // The result is read while it is sent.
        task.keep_until_delivered(supervisors.lend(supervisor));
    } else {
        supervisors.put(supervisor);
    }
    outcome
}

async fn run_under(supervisor: &mut Supervisor, plan: &Plan, task: &Task) -> Result<Outcome, Error> {
    let scratch = &supervisor.scratch;
    let input = scratch.input();
    let content_type = tokio::select! {
        content_type = task.input_to(&input) => content_type?,
        reason = task.stopped() => return Ok(stopped(reason)),
    };
    let mut facts = Facts::of(task);
    facts.put("CONTENT_TYPE", content_type.as_deref().unwrap_or_default());
    facts.path("INPUT", &input);
    facts.path("RESULT", &scratch.result());
    facts.path("RESULT_META", &scratch.meta());
    facts.path("TMP", &scratch.private());
    // Output of any size goes to a file and never through memory.
    let output = plan.stream.is_none().then(|| scratch.open_output()).transpose();
    let output = output.map_err(|source| Error::io("cannot make a file for the output", source))?;
    let input = File::open(&input).map_err(|source| Error::io("cannot read the input", source))?;
    let Pipes { stdout, stderr, progress: reports, .. } =
        supervisor.run(plan, &facts, Files { input: Some(input), output }).await?;

    let tail = Tail::default();
    let pipes = async {
        tokio::join!(
            async {
                if let (Some(stdout), Some(content_type)) = (stdout, &plan.stream) {
                    stream(stdout, task, content_type).await;
                }
            },
            log::follow(stderr, &tail, |bytes| task.log_bytes(bytes)),
            progress::follow(reports, |progress| task.progress(progress)),
        );
    };
    tokio::pin!(pipes);
    let mut read = false;
    let ended = {
        let wait = supervisor.wait(plan, task.stop());
        tokio::pin!(wait);
        loop {
            tokio::select! {
                ended = &mut wait => break ended,
                () = &mut pipes, if !read => read = true,
            }
        }
    };
    if !read {
        // A stream that the server is slow to take is no reason to lose its end.
        let within = if plan.stream.is_some() && matches!(ended, Ok(Ended::Exited(_))) {
            PIPES_WITHIN * 15
        } else {
            PIPES_WITHIN
        };
        let _ = tokio::time::timeout(within, pipes).await;
    }
    let status = match ended {
        Ok(Ended::Exited(status)) => status,
        Ok(Ended::Stopped) => return Ok(stopped(task.stop().reason().unwrap_or(StopReason::Lost))),
        Ok(Ended::NotStarted(source)) => return Err(supervisor::cannot_start(plan, source)),
        // What it did by then nobody knows: it may be why.
        Err(source) => return Ok(Outcome::retry("cannot-run", "the program was lost sight of", source.to_string())),
    };
    if !status.success() {
        return Ok(failed(plan, status, &tail.text()));
    }
    if health::is_full(&supervisor.scratch) {
        return Ok(Outcome::retry("disk-full", "the disk was full when the program ended: its result may be cut", ""));
    }
    Ok(match result::collect(&supervisor.scratch, plan.stream.is_none()).await {
        Ok(body) => Outcome::Complete(body),
        Err(error) if health::is_own(&error) => return Err(error),
        Err(error) => {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            Outcome::fail("invalid-result", error.to_string(), source)
        }
    })
}

async fn stream(mut stdout: impl AsyncRead + Unpin, task: &Task, content_type: &str) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = stdout.read(&mut buffer).await {
        task.stream_as(content_type, buffer[..length].to_vec()).await;
    }
}

/// The outcome of a run that was told to stop.
pub(super) fn stopped(reason: StopReason) -> Outcome {
    match reason {
        StopReason::Canceled => Outcome::fail("canceled", "the run was canceled", ""),
        StopReason::Lost | StopReason::Drain => Outcome::Release(None),
    }
}

/// The outcome of a program that ended otherwise than with 0.
pub(super) fn failed(plan: &Plan, status: ExitStatus, detail: &str) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(code), _) if plan.retry_on.contains(&code) => {
            Outcome::retry("exit-status", format!("the program exited with {code}"), detail)
        }
        (Some(code), _) => Outcome::fail("exit-status", format!("the program exited with {code}"), detail),
        (None, signal) => {
            let signal = signal.map_or_else(|| "a signal".to_owned(), |signal| format!("signal {signal}"));
            Outcome::retry("killed", format!("the program was killed by {signal}"), detail)
        }
    }
}
