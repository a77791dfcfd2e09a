//! One job's events, followed from the first to the last.

use raincheck_core::{EventType, State};

use crate::checkup::{CheckPage, Invariant};

/// An event as its row says it.
pub(crate) struct Step {
    pub seq: i64,
    pub cursor: i64,
    pub kind: i64,
    pub state: i64,
    pub attempt: i64,
}

/// How far a job's events have been followed. A job with very many of them is followed over several pieces: what was
/// written once does not change.
pub(crate) struct Walk {
    pub no: i64,
    pub subject: Box<str>,
    /// The last event that was followed, 0 before the first.
    pub seq: i64,
    cursor: i64,
    attempt: i64,
    state: Option<State>,
    finals: u32,
    reported: Vec<Invariant>,
}

impl Walk {
    pub fn of(no: i64, subject: Box<str>) -> Self {
        Walk { no, subject, seq: 0, cursor: 0, attempt: 0, state: None, finals: 0, reported: Vec::new() }
    }

    /// Follows it one event further.
    pub fn step(&mut self, page: &mut CheckPage, Step { seq, cursor, kind, state, attempt }: Step) {
        if seq != self.seq.wrapping_add(1) {
            self.tell(page, Invariant::Events, format!("event {seq} follows event {}", self.seq));
        }
        if cursor <= self.cursor {
            self.tell(page, Invariant::Feed, format!("event {seq} stands before event {} in the feed", self.seq));
        }
        let (before, first) = (self.state, self.seq == 0);
        (self.seq, self.cursor) = (seq, cursor);
        let (Some(kind), Some(state)) = (EventType::from_number(kind), State::from_number(state)) else {
            return self.tell(page, Invariant::States, format!("event {seq} has an unknown type or state"));
        };
        if first != (kind == EventType::Created) {
            self.tell(page, Invariant::Events, format!("event {seq} is `{}`", kind.as_str()));
        }
        if before.is_some_and(|before| before != state && !before.may_become(state)) {
            let before = before.map_or("nothing", State::as_str);
            self.tell(page, Invariant::States, format!("event {seq} goes from {before} to {}", state.as_str()));
        }
        if before.is_some_and(State::is_final) {
            self.tell(page, Invariant::FinalEvent, format!("event {seq} follows the end"));
        }
        let ends = matches!(kind, EventType::Succeeded | EventType::Failed | EventType::Canceled);
        if ends != state.is_final() {
            self.tell(
                page,
                Invariant::FinalEvent,
                format!("event {seq}, `{}`, says {}", kind.as_str(), state.as_str()),
            );
        }
        self.finals += u32::from(ends);
        if kind == EventType::Started {
            if before == Some(State::Running) {
                self.tell(page, Invariant::Attempts, format!("attempt {attempt} began while another was open"));
            }
            if attempt != self.attempt.wrapping_add(1) {
                self.tell(page, Invariant::Attempts, format!("attempt {attempt} follows attempt {}", self.attempt));
            }
        } else if attempt != self.attempt {
            let last = self.attempt;
            self.tell(page, Invariant::Attempts, format!("event {seq} is of attempt {attempt}, the last is {last}"));
        }
        (self.state, self.attempt) = (Some(state), attempt);
    }

    /// Compares the end with the job's row.
    pub fn end(mut self, page: &mut CheckPage, seq: i64, state: i64, attempt: i64) {
        if self.seq != seq {
            let last = self.seq;
            self.tell(page, Invariant::Events, format!("the row says {seq} events, the last is number {last}"));
        }
        let row = State::from_number(state);
        if row.is_none() || row != self.state {
            let word = |state: Option<State>| state.map_or("nothing known", State::as_str);
            let (row, last) = (word(row), word(self.state));
            self.tell(page, Invariant::States, format!("the row says {row}, the last event {last}"));
        }
        if self.attempt != attempt {
            let last = self.attempt;
            self.tell(page, Invariant::Attempts, format!("the row says attempt {attempt}, the last event {last}"));
        }
        let expected = u32::from(row.is_some_and(State::is_final));
        if self.finals != expected {
            let finals = self.finals;
            self.tell(page, Invariant::FinalEvent, format!("{finals} final events where {expected} belong"));
        }
    }

    /// Says a thing once a job: what follows from the first fault is no news.
    fn tell(&mut self, page: &mut CheckPage, invariant: Invariant, detail: String) {
        if !self.reported.contains(&invariant) {
            self.reported.push(invariant);
            page.found(invariant, self.subject.clone(), detail);
        }
    }
}
