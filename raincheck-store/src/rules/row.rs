//! What a job in its state has and has not.

use raincheck_core::State;

use crate::checkup::{CheckPage, Invariant};

/// A job's row, and what there is beside it.
pub(crate) struct Standing {
    pub state: Option<State>,
    pub attempt: i64,
    pub failures: i64,
    pub losses: i64,
    pub max_attempts: i64,
    /// How many asked for it.
    pub shared: i64,
    pub is_started: bool,
    pub is_finished: bool,
    pub expires: bool,
    pub has_spec: bool,
    pub has_result: bool,
    pub has_failure: bool,
    /// Its purge is remembered.
    pub is_buried: bool,
}

impl Standing {
    /// Tells what is not as its state asks for.
    pub fn judge(&self, subject: &str, page: &mut CheckPage) {
        let &Standing { state, attempt, failures, losses, .. } = self;
        let is_final = state.is_some_and(State::is_final);
        let mut wrong = |is_wrong: bool, detail: &str| {
            if is_wrong {
                page.found(Invariant::Rows, subject, detail);
            }
        };
        wrong(
            self.is_finished != is_final || self.expires != is_final,
            "finished and kept-until times belong to the end alone",
        );
        wrong(self.is_started != (attempt > 0), "its start and its attempt disagree");
        wrong(!self.has_spec, "what was asked for is gone");
        let succeeded = state == Some(State::Succeeded);
        wrong(self.has_result != succeeded, "a result belongs to a success, and to nothing else");
        let unlucky = matches!(state, Some(State::Failed | State::Canceled));
        wrong(unlucky && !self.has_failure, "it ended without saying why");
        wrong(
            failures < 0 || losses < 0 || failures.saturating_add(losses) > attempt,
            "more failures and losses than attempts",
        );
        wrong(failures > self.max_attempts, "more failures than it may have");
        wrong(self.shared < 1, "it belongs to nobody");
        if self.is_buried {
            page.found(Invariant::Belongings, subject, "it was purged, and is still here");
        }
    }
}
