//! One warm process, and one turn of it: a question and what comes of it.

use std::{collections::VecDeque, io, time::Duration};

use rustix::io::ioctl_fionread;
use tokio::{io::AsyncWriteExt as _, net::unix::pipe};
use tokio_util::sync::CancellationToken;

use super::{
    answers::{ANSWER_MAX, Answers, Next, PIECE},
    facts::Facts,
    lines::{Asked, Line, read},
    log::{self, SERVER_WITHIN, Tail},
    pipes::{Files, Pipes},
    plan::Plan,
    progress, result,
    supervisor::{Ended, Supervisor},
};
use crate::{
    Error,
    run::{Outcome, StopReason, Task},
};

/// After an answer, what was written before it to the log, or after it to the output, is waited for so long.
const LAST_LINES: Duration = Duration::from_millis(5);
/// After a death likewise; the end of the pipe mostly comes sooner.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// So many runs of a process are known again in answers that come late.
const PAST_MAX: usize = 1_000;

/// One process between two jobs.
pub(super) struct Warm {
    pub(super) supervisor: Supervisor,
    questions: pipe::Sender,
    answers: Answers,
    stderr: pipe::Receiver,
    reports: pipe::Receiver,
    pub(super) tail: Tail,
    /// What it was asked about before.
    past: VecDeque<(String, u32)>,
    /// It was said that a line may have been meant as an answer.
    warned: bool,
}

/// How a job ended, and whether its process may take another.
pub(super) enum Turn {
    /// With whether its process is in step: it has read the whole question, and said nothing after its answer.
    Answered(Outcome, bool),
    Stopped(StopReason),
    /// It answered for a run that it was never asked about.
    Strayed,
    Died(Death),
}

pub(super) struct Death {
    /// How it ended, where that is known.
    pub(super) ended: Option<io::Result<Ended>>,
    /// It has read nothing of the question.
    pub(super) unread: bool,
}

impl Turn {
    const DIED: Self = Self::Died(Death { ended: None, unread: false });
}

impl Warm {
    pub(super) async fn start(plan: &Plan) -> Result<Self, Error> {
        let mut supervisor = Supervisor::start(plan)?;
        let mut facts = Facts::default();
        facts.path("TMP", &supervisor.scratch.private());
        let Pipes { stdin, stdout, stderr, progress } = supervisor.run(plan, &facts, Files::default()).await?;
        let Some(questions) = stdin else {
            return Err(Error::io("cannot talk to the program", io::Error::other("there are no pipes")));
        };
        let (answers, tail) = (Answers::new(stdout), Tail::default());
        Ok(Self {
            supervisor,
            questions,
            answers,
            stderr,
            reports: progress,
            tail,
            past: VecDeque::new(),
            warned: false,
        })
    }

    /// Whether it can be asked about another job: it runs, has said nothing since its last answer, and can say more.
    pub(super) fn is_in_step(&mut self) -> bool {
        if self.supervisor.has_ended() {
            return false;
        }
        self.tail.clear();
        let quiet = self.answers.is_quiet();
        if !quiet {
            tracing::warn!("a kept program wrote or closed its output after an answer; another takes its place");
        }
        quiet
    }

    /// Asks, and waits for the end of the run.
    pub(super) async fn turn(&mut self, task: &Task, question: &[u8]) -> Turn {
        let Self { supervisor, questions, answers, stderr, reports, tail, past, warned } = self;
        let asked = Asked { job: &task.job().id, attempt: task.attempt() };
        let (mut ended, mut sent, hurry) = (None, 0, CancellationToken::new());
        let mut turn = {
            let written = async {
                log::follow(&mut *stderr, tail, task, &hurry).await;
                std::future::pending::<()>().await;
            };
            let reported = async {
                progress::follow(reports, |progress| task.progress(progress)).await;
                std::future::pending::<()>().await;
            };
            // What it left behind may hold its output for ever.
            let gone = async {
                ended = Some(supervisor.ended().await);
                tokio::time::sleep(LAST_WORDS).await;
            };
            tokio::select! {
                turn = talk(ask(questions, question, &mut sent), listen(answers, asked, past, task, warned)) => turn,
                reason = task.stopped() => Turn::Stopped(reason),
                () = gone => Turn::DIED,
                () = written => Turn::DIED,
                () = reported => Turn::DIED,
            }
        };
        past.push_back((asked.job.to_owned(), asked.attempt));
        if past.len() > PAST_MAX {
            past.pop_front();
        }
        // What it wrote before its answer is this job's; the answer may have been faster.
        hurry.cancel();
        match &mut turn {
            Turn::Answered(_, in_step) => {
                let logged = log::follow(&mut *stderr, tail, task, &hurry);
                let both = async { tokio::join!(logged, async { *in_step &= rest(answers, asked, task).await }) };
                let _ = tokio::time::timeout(LAST_LINES, both).await;
                // An answer that came with its end.
                *in_step &= ended.is_none();
            }
            Turn::Died(death) => {
                // Not every system tells.
                death.unread = sent == 0 || ioctl_fionread(&*questions).is_ok_and(|unread| unread >= sent as u64);
                let logged = tokio::time::timeout(LAST_WORDS, log::follow(&mut *stderr, tail, task, &hurry));
                let end = async {
                    match ended {
                        Some(ended) => Some(ended),
                        None => tokio::time::timeout(LAST_WORDS, supervisor.ended()).await.ok(),
                    }
                };
                (_, death.ended) = tokio::join!(logged, end);
            }
            Turn::Stopped(_) | Turn::Strayed => {}
        }
        turn
    }

    /// Waits until it is gone, as it was told to stop; what it says meanwhile is the job's.
    pub(super) async fn stop(&mut self, plan: &Plan, task: &Task) {
        let Self { supervisor, answers, stderr, tail, .. } = self;
        let gone = CancellationToken::new();
        let said = async {
            let both = async { tokio::join!(log::follow(stderr, tail, task, &gone), last_words(answers, task)) };
            let too_long = async {
                gone.cancelled().await;
                tokio::time::sleep(LAST_WORDS).await;
            };
            tokio::select! {
                _ = both => {}
                () = too_long => {}
            }
        };
        let ended = async {
            // Why it was stopped counts, not how it ended.
            let _ = supervisor.wait(plan, task.stop()).await;
            gone.cancel();
        };
        tokio::join!(said, ended);
    }
}

/// Asks and listens at once: a program may write much before it has read all.
async fn talk(ask: impl Future<Output = io::Result<()>>, answered: impl Future<Output = Turn>) -> Turn {
    let (mut asking, mut whole) = (true, false);
    tokio::pin!(ask, answered);
    loop {
        tokio::select! {
            biased;
            // One that closed its input gets no more, and may still answer.
            asked = &mut ask, if asking => (asking, whole) = (false, asked.is_ok()),
            turn = &mut answered => return match turn {
                Turn::Answered(outcome, in_step) => Turn::Answered(outcome, in_step && whole),
                other => other,
            },
        }
    }
}

async fn ask(questions: &mut pipe::Sender, question: &[u8], sent: &mut usize) -> io::Result<()> {
    while *sent < question.len() {
        match questions.write(&question[*sent..]).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            more => *sent += more,
        }
    }
    Ok(())
}

/// Until there is an answer, or none to come.
async fn listen(
    answers: &mut Answers,
    asked: Asked<'_>,
    past: &VecDeque<(String, u32)>,
    task: &Task,
    warned: &mut bool,
) -> Turn {
    let mut in_step = true;
    loop {
        let line = match answers.next().await {
            Ok(Next::Line(line)) => line,
            Ok(Next::Part(part)) => {
                log_all(task, part).await;
                continue;
            }
            Ok(Next::TooLong) => {
                return Turn::Answered(result::too_large(ANSWER_MAX as u64), false);
            }
            Ok(Next::End) | Err(_) => return Turn::DIED,
        };
        match read(line, asked) {
            Line::Progress(progress) => task.progress(progress),
            Line::Answer(outcome) => return Turn::Answered(outcome, in_step),
            Line::Broken(why) => {
                let outcome = Outcome::retry("invalid-answer", "the kept program's answer cannot be read", why);
                return Turn::Answered(outcome, false);
            }
            Line::Stray { job, attempt } if past.contains(&(job.clone(), attempt)) => {
                tracing::warn!(job, attempt, "a kept program answered again for an earlier job; this one is its last");
                in_step = false;
            }
            Line::Stray { .. } => return Turn::Strayed,
            Line::Log { doubt } => {
                log_all(task, line).await;
                if let Some(doubt) = doubt.filter(|_| !std::mem::replace(warned, true)) {
                    tracing::warn!(job = asked.job, "{doubt}");
                }
            }
        }
    }
}

/// Logs it. While the server is behind this waits, and so does the program on its full pipe, but never for long.
async fn log_all(task: &Task, bytes: &[u8]) {
    let mut rest = Unlogged { task, bytes };
    while !rest.bytes.is_empty() {
        let _ = tokio::time::timeout(SERVER_WITHIN, task.log_ready()).await;
        let (piece, later) = rest.bytes.split_at(rest.bytes.len().min(PIECE));
        task.log_now(piece);
        rest.bytes = later;
    }
}

/// What is still to be logged, also when nobody waits any more.
struct Unlogged<'a> {
    task: &'a Task,
    bytes: &'a [u8],
}

impl Drop for Unlogged<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.task.log_now(self.bytes);
        }
    }
}

/// Logs what a program that was told to stop says; its answer counts no more.
async fn last_words(answers: &mut Answers, task: &Task) {
    let asked = Asked { job: &task.job().id, attempt: task.attempt() };
    loop {
        match answers.next().await {
            Ok(Next::Part(bytes)) => task.log_now(bytes),
            Ok(Next::Line(line)) if matches!(read(line, asked), Line::Log { .. }) => task.log_now(line),
            Ok(Next::Line(_)) => {}
            Ok(Next::TooLong | Next::End) | Err(_) => return,
        }
    }
}

/// Copies what comes after an answer; false as soon as that shows that it is out of step.
async fn rest(answers: &mut Answers, asked: Asked<'_>, task: &Task) -> bool {
    loop {
        let bytes = match answers.next().await {
            Ok(Next::Part(part)) => part,
            Ok(Next::Line(line)) if matches!(read(line, asked), Line::Log { .. }) => line,
            _ => return false,
        };
        task.log_now(bytes);
    }
}
