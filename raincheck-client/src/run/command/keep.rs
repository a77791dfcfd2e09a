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
//! The program answers with one line on its standard output, before which it may report progress:
//!
//! ```json
//! {"progress": {"percent": 42, "message": "…"}}
//! {"result": …}
//! {"error": {"type": "…", "title": "…", "detail": "…"}, "retryable": true, "retry_after": "30s"}
//! ```
//!
//! `error` may be a plain text; without `retryable` it is final. Lines that are no answer go to the log, as
//! standard error does. Descriptor 3 takes progress, too. A process that dies fails its job (retryable) and is started again
//! for the next one; to cancel a job its process is stopped as any command is. Idle processes end with the worker.

use std::{sync::Mutex, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::unix::pipe,
};
use tokio_util::sync::CancellationToken;

use super::{
    Plan,
    facts::Facts,
    lines::{Answer, question, read_answer},
    log::{self, Tail},
    once,
    pipes::{Files, Pipes},
    progress,
    supervisor::Supervisor,
};
use crate::{
    Error,
    run::{Outcome, StopReason, Task},
};

/// An answer is never longer; in bytes.
const LINE_MAX: u64 = 64 * 1024 * 1024;
/// After an answer, what was written to the log before it is read for so long.
const LAST_LINES: Duration = Duration::from_millis(5);
/// After a death likewise; the end of the pipe mostly comes sooner.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The idle processes.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Warm>>,
}

/// One process between two jobs.
struct Warm {
    supervisor: Supervisor,
    questions: pipe::Sender,
    answers: BufReader<pipe::Receiver>,
    stderr: pipe::Receiver,
    reports: pipe::Receiver,
    tail: Tail,
}

/// How a job ended, and whether its process may take another.
enum Turn {
    /// With whether it has read the whole question: what is left of one would garble the next.
    Answered(Outcome, bool),
    Stopped(StopReason),
    Died,
}

impl Pool {
    pub(super) async fn run(&self, plan: &Plan, task: &Task) -> Result<Outcome, Error> {
        let (question, input) = question(plan, task).await?;
        let mut warm = match self.take() {
            Some(warm) => warm,
            None => Warm::start(plan).await?,
        };
        warm.tail.clear();
        let turn = warm.turn(task, &question).await;
        drop(input);
        Ok(match turn {
            Turn::Answered(outcome, read) => {
                if let (true, Ok(mut idle)) = (read, self.idle.lock()) {
                    idle.push(warm);
                }
                outcome
            }
            Turn::Stopped(reason) => {
                // Why it was stopped counts, not how it ended.
                let _ = warm.supervisor.wait(plan, task.stop()).await;
                once::stopped(reason)
            }
            Turn::Died => {
                let detail = warm.tail.text();
                // It closed its output; whether it ends by itself or has to be helped is all the same.
                Outcome::retry("program-ended", "the kept program ended before it answered", detail)
            }
        })
    }

    fn take(&self) -> Option<Warm> {
        let mut idle = self.idle.lock().ok()?;
        loop {
            let mut warm = idle.pop()?;
            if !warm.supervisor.has_ended() {
                return Some(warm);
            }
        }
    }
}

impl Warm {
    async fn start(plan: &Plan) -> Result<Self, Error> {
        let mut supervisor = Supervisor::start(plan)?;
        let mut facts = Facts::default();
        facts.path("TMP", &supervisor.scratch.private());
        let Pipes { stdin, stdout, stderr, progress } = supervisor.run(plan, &facts, Files::default()).await?;
        let Some(questions) = stdin else {
            return Err(Error::io("cannot talk to the program", std::io::Error::other("there are no pipes")));
        };
        let (answers, tail) = (BufReader::new(stdout), Tail::default());
        Ok(Self { supervisor, questions, answers, stderr, reports: progress, tail })
    }

    async fn turn(&mut self, task: &Task, question: &[u8]) -> Turn {
        let Self { questions, answers, stderr, reports, tail, .. } = self;
        let hurry = CancellationToken::new();
        let turn = {
            let written = async {
                log::follow(&mut *stderr, tail, task, &hurry).await;
                std::future::pending::<()>().await;
            };
            let reported = async {
                progress::follow(reports, |progress| task.progress(progress)).await;
                std::future::pending::<()>().await;
            };
            tokio::select! {
                turn = talk(questions, question, answers, task) => turn,
                reason = task.stopped() => Turn::Stopped(reason),
                () = written => Turn::Died,
                () = reported => Turn::Died,
            }
        };
        // What it wrote before its answer is this job's; the answer may have been faster.
        let within = match turn {
            Turn::Answered(..) => LAST_LINES,
            Turn::Died => LAST_WORDS,
            Turn::Stopped(_) => Duration::ZERO,
        };
        hurry.cancel();
        let _ = tokio::time::timeout(within, log::follow(stderr, tail, task, &hurry)).await;
        turn
    }
}

/// Asks and listens at once: a program may write much before it has read all.
async fn talk(
    questions: &mut pipe::Sender,
    question: &[u8],
    answers: &mut BufReader<pipe::Receiver>,
    task: &Task,
) -> Turn {
    let (mut asking, mut read) = (true, false);
    let asked = questions.write_all(question);
    let answered = listen(answers, task);
    tokio::pin!(asked, answered);
    loop {
        tokio::select! {
            biased;
            // One that closed its input gets no more, and may still answer.
            written = &mut asked, if asking => (asking, read) = (false, written.is_ok()),
            answer = &mut answered => {
                return answer.map_or(Turn::Died, |outcome| Turn::Answered(outcome, read));
            }
        }
    }
}

/// The answer; `None` when there is none to come.
async fn listen(answers: &mut BufReader<pipe::Receiver>, task: &Task) -> Option<Outcome> {
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut *answers).take(LINE_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        match read_answer(&line) {
            Some(Answer::Progress(progress)) => task.progress(progress),
            Some(Answer::Outcome(outcome)) => return Some(outcome),
            None => task.log_bytes(line.clone().into()),
        }
    }
}
