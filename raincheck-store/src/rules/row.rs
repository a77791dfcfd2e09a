//! What a job in its state has and has not.

use raincheck_core::State;

use crate::checkup::{CheckPage, Invariant};
use crate::columns::{Raw, row};

row! {
    /// A job's row, and what there is beside it.
    pub(crate) struct Standing as "j" {
        state: Raw,
        attempt: Raw,
        failures: Raw,
        losses: Raw,
        max_attempts: Raw,
        max_losses: Raw,
        seq: Raw,
        /// How many asked for it.
        shared: Raw,
        ttl: Raw,
        is_started: bool = "j.started_at IS NOT NULL",
        is_finished: bool = "j.finished_at IS NOT NULL",
        expires: bool = "j.expires_at IS NOT NULL",
        has_spec: bool = "s.no IS NOT NULL",
        has_result: bool = "r.no IS NOT NULL",
        has_failure: bool = "p.failure IS NOT NULL",
        /// Its purge is remembered.
        has_tombstone: bool = "EXISTS (SELECT 1 FROM tombstone t WHERE t.no=j.no)",
    }
}

impl Standing {
    pub fn state(&self) -> Option<State> {
        State::from_number(self.state.0)
    }

    /// Tells what is not as its state asks for.
    pub fn judge(&self, subject: &str, page: &mut CheckPage) {
        let &Standing { attempt: Raw(attempt), failures: Raw(failures), losses: Raw(losses), .. } = self;
        let state = self.state();
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
        wrong(failures > self.max_attempts.0, "more failures than it may have");
        wrong(losses > self.max_losses.0, "more losses in a row than it may have");
        wrong(self.shared.0 < 1, "it belongs to nobody");
        if self.has_tombstone {
            page.found(Invariant::Belongings, subject, "it was purged, and is still here");
        }
    }
}
