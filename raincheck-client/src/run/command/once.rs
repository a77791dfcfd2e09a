//! One process for one run.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt as _},
    process::ExitStatus,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    runtime::Handle,
    sync::oneshot,
};
use tokio_util::sync::CancellationToken;

use super::{
    facts::Facts,
    health, left,
    log::{self, Tail},
    output::{Cut, Output},
    pipes::{Files, Pipes},
    plan::Plan,
    progress, result,
    scratch::RESULT,
    supervisor::{self, Ended, Supervisor},
    supervisors::Supervisors,
};
use crate::{
    Error,
    run::{Outcome, StopReason, Task},
};

/// After the program's end its pipes may stay open so long: a process that escaped may hold them for ever.
const PIPES_WITHIN: Duration = Duration::from_secs(2);
/// The size of a result that is being written is looked at so often.
const SIZE_EVERY: Duration = Duration::from_millis(200);
/// The outcome waits so long until what the program left behind is removed: who leaves much may not go on at once.
const CLEAR_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn run(supervisors: &Arc<Supervisors>, plan: &Plan, task: &Task) -> Result<Outcome, Error> {
    let mut supervisor = supervisors.take(plan)?;
    let outcome = run_under(&mut supervisor, plan, task).await;
    // What is still read of its files is open already.
    if let Ok(Some(usable)) = supervisor.scratch.clear_few() {
        supervisors.put(supervisor, usable);
    } else {
        let (home, runtime, (done, cleared)) = (supervisors.clone(), Handle::current(), oneshot::channel::<()>());
        // A thread of its own, as it may take long. Without one the supervisor ends here, and removes all of it.
        let clear = move || {
            let _within = runtime.enter();
            home.clear_and_put(supervisor);
            drop(done);
        };
        if std::thread::Builder::new().spawn(clear).is_ok() {
            let _ = tokio::time::timeout(CLEAR_WITHIN, cleared).await;
        }
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
    let input = File::open(&input).map_err(|source| Error::io("cannot read the input", source))?;
    let directory = scratch.directory();
    let Pipes { stdout, stderr, progress: reports, .. } =
        supervisor.run(plan, &facts, Files { input: Some(input) }).await?;

    let most = task.result_bytes_max();
    let (tail, hurry, writing) = (Tail::default(), CancellationToken::new(), AtomicBool::new(false));
    let (mut output, cut) = (Output::default(), OnceLock::new());
    let ended = {
        let pipes = async {
            tokio::join!(
                async {
                    if let Some(content_type) = &plan.stream {
                        stream(stdout, task, content_type, &hurry).await;
                    } else if let Err(why) = output.read(stdout, most, &plan.folder(), &writing).await {
                        cut.get_or_init(|| why);
                        task.stop().order(StopReason::Refused);
                    }
                },
                log::follow(stderr, &tail, task, &hurry),
                progress::follow(reports, |progress| task.progress(progress)),
            );
        };
        let grown = async {
            while !look(&directory, move |directory| Ok(left::size(directory, RESULT)? > most)).await {}
            cut.get_or_init(|| Cut::TooLarge);
            task.stop().order(StopReason::Refused);
            // Until it has ended it may write on.
            while look(&directory, |directory| left::empty(directory, RESULT).map(|()| true)).await {}
            std::future::pending::<()>().await;
        };
        tokio::pin!(pipes, grown);
        let mut read = false;
        let wait = supervisor.wait(plan, task.stop());
        tokio::pin!(wait);
        let ended = loop {
            tokio::select! {
                ended = &mut wait => break ended,
                () = &mut pipes, if !read => read = true,
                () = &mut grown => {}
            }
        };
        hurry.cancel();
        while !read {
            read = tokio::time::timeout(PIPES_WITHIN, &mut pipes).await.is_ok() || !writing.load(Ordering::Relaxed);
        }
        ended
    };
    match cut.into_inner() {
        Some(Cut::TooLarge) => return Ok(result::too_large(most)),
        Some(Cut::Io(source)) => return Err(Error::io("cannot keep standard output", source)),
        None => {}
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
    if supervisor.scratch.is_gone() {
        let why = "its temporary directory was removed while the program ran: its result may have been in it";
        return Ok(Outcome::retry("scratch-gone", why, ""));
    }
    let output = plan.stream.is_none().then_some(output);
    Ok(match result::collect(&supervisor.scratch, output, most).await {
        Ok(body) => Outcome::Complete(body),
        Err(outcome) => outcome,
    })
}

/// Looks at the files of a program that runs, after a pause. In its place: it is one look at one name, and where no process
/// can be started there may be no thread for it either. What cannot be looked at now is looked at in the end.
async fn look(directory: &OwnedFd, how: impl FnOnce(&OwnedFd) -> io::Result<bool>) -> bool {
    tokio::time::sleep(SIZE_EVERY).await;
    how(directory).unwrap_or(false)
}

/// Reads to the end; the program waits while the server is behind, but not when there is a `hurry`.
async fn stream(mut stdout: impl AsyncRead + Unpin, task: &Task, content_type: &str, hurry: &CancellationToken) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        tokio::select! {
            biased;
            () = task.stream_ready() => {}
            () = hurry.cancelled() => {}
        }
        let Ok(length @ 1..) = stdout.read(&mut buffer).await else { return };
        task.stream_now(content_type, &buffer[..length]);
    }
}

/// The outcome of a run that was told to stop.
pub(super) fn stopped(reason: StopReason) -> Outcome {
    match reason {
        StopReason::Canceled => Outcome::fail("canceled", "the run was canceled", ""),
        StopReason::Refused => Outcome::fail("refused", "the run has written more than the server takes", ""),
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
