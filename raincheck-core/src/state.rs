//! Where a job stands, and which way it may go from there.

/// Where a job stands.
///
/// ```text
///                  ┌───────────── retry / lost lease / release ──────────────┐
///                  ▼                                                         │
///  submit ──▶ scheduled ──due──▶ queued ──lease──▶ running ──settle──▶ succeeded
///     │           ▲                ▲                 │  │
///     └▶ blocked ─┴── slot free / dependency done ───┘  ├──────────────▶ failed
///                                                       └──────────────▶ canceled
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Not before `run_at`: a first start, or the next attempt after a failure.
    Scheduled = 0,
    /// Ready for a worker.
    Queued = 1,
    /// Waits for a slot or for another job.
    Blocked = 2,
    /// Leased by a worker.
    Running = 3,
    /// Done; there may be a result. Final.
    Succeeded = 4,
    /// Given up. Final.
    Failed = 5,
    /// Called off. Final.
    Canceled = 6,
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [State; 7] = [
        State::Scheduled,
        State::Queued,
        State::Blocked,
        State::Running,
        State::Succeeded,
        State::Failed,
        State::Canceled,
    ];

    /// Final states are never left; running again makes a new job.
    pub fn is_final(self) -> bool {
        self >= State::Succeeded
    }

    /// Not yet leased and not final: what a queue's bound counts.
    pub fn is_waiting(self) -> bool {
        self < State::Running
    }

    /// Whether the drawing has an arrow from here to `next`.
    pub fn may_become(self, next: State) -> bool {
        use State::*;
        match self {
            Scheduled => matches!(next, Queued | Blocked | Failed | Canceled),
            Blocked => matches!(next, Queued | Scheduled | Failed | Canceled),
            Queued => matches!(next, Running | Failed | Canceled),
            Running => matches!(next, Queued | Scheduled | Blocked | Succeeded | Failed | Canceled),
            Succeeded | Failed | Canceled => false,
        }
    }

    /// The word used in the API, the documentation and the code.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Scheduled => "scheduled",
            State::Queued => "queued",
            State::Blocked => "blocked",
            State::Running => "running",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Canceled => "canceled",
        }
    }

    /// The state behind a word, or `None`.
    pub fn from_word(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|s| s.as_str() == word)
    }

    /// The state behind a stored number, or `None`.
    pub fn from_number(number: i64) -> Option<State> {
        usize::try_from(number).ok().and_then(|n| State::ALL.get(n).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transition_table_is_the_drawing() {
        let table: String = State::ALL
            .iter()
            .map(|from| {
                let to: Vec<_> = State::ALL.iter().filter(|to| from.may_become(**to)).map(|s| s.as_str()).collect();
                format!("{} -> {}\n", from.as_str(), to.join(" "))
            })
            .collect();
        assert_eq!(
            table,
            "scheduled -> queued blocked failed canceled\n\
             queued -> running failed canceled\n\
             blocked -> scheduled queued failed canceled\n\
             running -> scheduled queued blocked succeeded failed canceled\n\
             succeeded -> \nfailed -> \ncanceled -> \n"
        );
    }

    #[test]
    fn words_and_numbers_read_back() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, number);
            assert_eq!(State::from_number(number as i64), Some(state));
            assert_eq!(State::from_word(state.as_str()), Some(state));
        }
        assert_eq!(State::from_number(7), None);
        assert_eq!(State::from_number(-1), None);
    }
}
