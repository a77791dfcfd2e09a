//! How a command ends: its exit code, and for people what went wrong and what to do next.

use std::{fmt, process::ExitCode, time::Duration};

use raincheck_client::{Error, Job, State, api::WireDuration};
use raincheck_store::StoreError;

/// The exit codes of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// The job failed or was canceled; of those that need the data or its database: it could not be had.
    Failed = 1,
    /// The command line, the configuration or a file on this side is at fault.
    Usage = 2,
    /// There is no such job, queue or kind.
    NotFound = 3,
    /// Not done in time.
    TimedOut = 4,
    /// The server can't be reached, or it refused.
    Refused = 5,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// What a job that is done means for the command that waited for it.
    pub fn of(job: &Job) -> Self {
        if job.state == State::Succeeded { Self::Done } else { Self::Failed }
    }

    /// Of two things that were done one after the other: the first that did not go well.
    pub fn and(self, next: Self) -> Self {
        if self == Self::Done { next } else { self }
    }
}

/// Why a command did not do what it should.
#[derive(Debug)]
pub struct Failure {
    /// Its exit code.
    pub exit: Exit,
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    pub next: Option<String>,
    /// It says nothing about other jobs: what was asked of them may go well.
    pub is_of_one: bool,
}

impl Failure {
    /// A failure without advice.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), next: None, is_of_one: false }
    }

    /// A job is not done in the time that was given.
    pub fn late(id: &str, most: Duration) -> Self {
        let failure = Self::new(Exit::TimedOut, format!("job {id} is not done within {}", WireDuration(most)));
        Self { is_of_one: true, ..failure }.next(format!("it goes on; follow it with `raincheck watch {id}`"))
    }

    /// The same, with the job that it is about, in its advice, too.
    #[must_use]
    pub fn about(mut self, id: &str) -> Self {
        if self.is_of_one && !self.message.contains(id) {
            self.message = format!("job {id}: {}", self.message);
        }
        self.next = self.next.map(|next| next.replace(" ID`", &format!(" {id}`")));
        self
    }

    /// Something on this side is at fault.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The same, with advice.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused { why, next } => Self::new(Exit::Failed, why).next(next),
            StoreError::Payloads { .. } => Self::new(Exit::Failed, error.to_string()).next(
                "is there such a folder or bucket, and may this user or key read and write there? See docs/postgresql.md",
            ),
            error => Self::new(Exit::Failed, error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::usage(format!("cannot be written as JSON: {error}"))
    }
}

impl Failure {
    /// What became of a request that changes something: where no answer tells whether it was done, what to do then.
    pub fn of_change(error: &Error, what: &str, next: impl Into<String>) -> Self {
        let failure = Self::of(error);
        if !error.is_undecided() {
            return failure;
        }
        Self { message: format!("{}; it is not known whether {what}", failure.message), ..failure }.next(next)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}

impl Failure {
    /// What a request that went wrong means.
    pub fn of(error: &Error) -> Self {
        let message = match std::error::Error::source(error) {
            // Of a broken connection the innermost cause says it best: "connection refused".
            Some(source) => format!("{error}: {}", innermost(source)),
            None => error.to_string(),
        };
        let failure = match error {
            Error::Unreachable { .. } if error.is_undecided() => Self::new(Exit::Refused, message)
                .next("look whether the server still runs, and ask again; `raincheck serve` starts one"),
            Error::Unreachable { .. } => Self::new(Exit::Refused, message)
                .next("start a server with `raincheck serve`, or name one with --server URL or RAINCHECK_SERVER"),
            Error::Problem { status: 401, .. } => {
                Self::new(Exit::Refused, message).next("give the server's token with --token or RAINCHECK_TOKEN")
            }
            Error::Problem { problem, .. } if problem.slug() == "cursor-expired" => Self::new(Exit::Refused, message)
                .next("see what is there with `raincheck list`, then begin again: `raincheck events --after 0`"),
            Error::Problem { status: 409, problem, .. } => {
                let failure = Self::new(Exit::Refused, message);
                match way_out(problem.slug()) {
                    Some(next) => failure.next(next),
                    None => failure,
                }
            }
            Error::Problem { status: 404 | 410, .. } => Self::new(Exit::NotFound, message),
            Error::Problem { status: 400, problem, .. } if problem.slug().starts_with("job-") => {
                Self::new(Exit::Failed, message)
            }
            Error::Problem { retry_after: Some(pause), .. } => {
                Self::new(Exit::Refused, message).next(format!("try again in {} s", pause.as_secs()))
            }
            Error::Problem { .. } | Error::Unexpected { .. } | Error::Untold(_) => Self::new(Exit::Refused, message),
            Error::NotDone(id) => {
                Self::new(Exit::TimedOut, message).next(format!("wait for it with `raincheck watch {id}`"))
            }
            Error::TimedOut(_) => Self::new(Exit::TimedOut, message),
            _ => Self::new(Exit::Usage, message),
        };
        Self { is_of_one: is_of_one(error), ..failure }
    }
}

/// What to do where the state of a job is in the way.
fn way_out(slug: &str) -> Option<&'static str> {
    Some(match slug {
        "job-not-finished" => {
            "wait for its end with `raincheck wait ID`, or cancel it first with `raincheck cancel ID`"
        }
        "job-done" => "if it may be done twice, say so: `raincheck rerun --force ID`",
        "job-finished" => "look at how it ended with `raincheck get ID`, or run it again with `raincheck rerun ID`",
        "job-shared" => "if they are to go without it, say so: `raincheck cancel --force ID`",
        "job-not-waiting" => "look at how far it is with `raincheck get ID`",
        "managed-by-config" => "change it in the server's file, and have that read again with SIGHUP",
        _ => return None,
    })
}

/// Whether the same could be asked of another job, and answered otherwise.
fn is_of_one(error: &Error) -> bool {
    match error {
        Error::Problem { status, .. } => matches!(status, 400 | 404 | 409 | 410 | 412 | 422),
        Error::NotDone(_) => true,
        _ => false,
    }
}

fn innermost<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
