/// Which of the failure problems a job ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FailureCode {
    /// The worker said so.
    Failed = 0,
    /// The attempt took longer than its timeout.
    Timeout = 1,
    /// The worker stopped reporting.
    Lost = 2,
    /// Not started by `start_by`.
    Expired = 3,
    /// Called off.
    Canceled = 4,
}

impl FailureCode {
    /// The problem slug of this code.
    pub fn slug(self) -> &'static str {
        match self {
            FailureCode::Failed => "job-failed",
            FailureCode::Timeout => "job-timeout",
            FailureCode::Lost => "job-lost",
            FailureCode::Expired => "job-expired",
            FailureCode::Canceled => "job-canceled",
        }
    }

    /// One line for people.
    pub fn title(self) -> &'static str {
        match self {
            FailureCode::Failed => "The job failed",
            FailureCode::Timeout => "The job took too long",
            FailureCode::Lost => "The job's workers vanished",
            FailureCode::Expired => "The job was not started in time",
            FailureCode::Canceled => "The job was canceled",
        }
    }

    /// The code behind a slug, or `None`.
    pub fn from_slug(slug: &str) -> Option<FailureCode> {
        use FailureCode::*;
        [Failed, Timeout, Lost, Expired, Canceled].into_iter().find(|c| c.slug() == slug)
    }
}

/// Why an attempt or a job did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The problem this is an instance of.
    pub code: FailureCode,
    /// The worker's own name for the error, for grouping (`TimeoutError`, `exit-3`).
    pub kind: Option<Box<str>>,
    /// One line for people.
    pub title: Option<Box<str>>,
    /// The whole story: a message, a stack trace, the last lines of a program.
    pub detail: Option<Box<str>>,
}

impl Failure {
    /// About how much there is of it, bytes.
    pub fn weight(&self) -> usize {
        [&self.kind, &self.title, &self.detail].into_iter().flatten().map(|text| text.len()).sum()
    }
}

impl Failure {
    /// A failure the server itself states.
    pub fn of(code: FailureCode, detail: impl Into<Box<str>>) -> Self {
        Failure { code, kind: None, title: None, detail: Some(detail.into()) }
    }
}
