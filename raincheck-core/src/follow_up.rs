use crate::id::JobNo;

/// Something that follows from a decision about one job: a command about another one, in the same transaction. Where the
/// rules refuse it, nothing becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FollowUp {
    /// See [`crate::Command::RunNow`].
    RunNow(JobNo),
    /// See [`crate::Command::Cancel`]; whoever shares it.
    Cancel(JobNo),
}

impl FollowUp {
    /// What is to be done, as a number that is stored, and the job.
    pub fn parts(self) -> (u8, JobNo) {
        match self {
            FollowUp::RunNow(no) => (0, no),
            FollowUp::Cancel(no) => (1, no),
        }
    }

    /// The one that has these parts, or `None`.
    pub fn of_parts(what: i64, no: JobNo) -> Option<FollowUp> {
        match what {
            0 => Some(FollowUp::RunNow(no)),
            1 => Some(FollowUp::Cancel(no)),
            _ => None,
        }
    }
}
