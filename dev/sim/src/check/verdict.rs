use std::fmt;

use raincheck_core::JobNo;

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The job that it was broken to; `None` where it is of no single one.
    pub job: Option<JobNo>,
    /// The promise and what was seen instead, in words.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Nothing, or what is wrong.
pub type Verdict = Result<(), Violation>;

/// Demands `$so`, else the promise in words is broken.
macro_rules! demand {
    ($so:expr, $job:expr, $($word:tt)*) => {
        if !$so {
            return Err($crate::check::verdict::Violation { job: Some($job), what: format!($($word)*) });
        }
    };
}
pub(super) use demand;
