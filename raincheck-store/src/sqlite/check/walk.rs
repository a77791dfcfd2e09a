//! One job's events, followed from the first to the last.

use raincheck_core::{EventType, State};
use rusqlite::{Result, params};

use super::Look;
use crate::checkup::Invariant;

/// Events read before the clock is looked at.
const EVENTS: usize = 1_000;

/// How far a job's events have been followed. A job with very many of them is followed over several pieces: what was
/// written once does not change.
pub(super) struct Walk {
    pub no: i64,
    pub subject: Box<str>,
    seq: i64,
    cursor: i64,
    attempt: i64,
    state: Option<State>,
    finals: u32,
    told: Vec<Invariant>,
}

impl Walk {
    pub fn of(no: i64, subject: Box<str>) -> Self {
        Walk { no, subject, seq: 0, cursor: 0, attempt: 0, state: None, finals: 0, told: Vec::new() }
    }

    /// Follows it further; answers whether it has come to the end.
    pub fn follow(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let mut statement = look.db.prepare_cached(
            "SELECT seq, cursor, type, state, attempt FROM event WHERE no=?1 AND seq>?2 ORDER BY seq LIMIT ?3",
        )?;
        let mut rows = statement.query(params![self.no, self.seq, EVENTS as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            self.step(look, row.get(0)?, row.get(1)?, (row.get(2)?, row.get(3)?, row.get(4)?));
        }
        look.page.looked += count as u64;
        Ok(count < EVENTS)
    }

    fn step(&mut self, look: &mut Look<'_>, seq: i64, cursor: i64, (kind, state, attempt): (i64, i64, i64)) {
        if seq != self.seq + 1 {
            self.tell(look, Invariant::Events, format!("event {seq} follows event {}", self.seq));
        }
        if cursor <= self.cursor {
            self.tell(look, Invariant::Feed, format!("event {seq} stands before event {} in the feed", self.seq));
        }
        let (before, first) = (self.state, self.seq == 0);
        (self.seq, self.cursor) = (seq, cursor);
        let (Some(kind), Some(state)) = (EventType::from_number(kind), State::from_number(state)) else {
            return self.tell(look, Invariant::States, format!("event {seq} has an unknown type or state"));
        };
        if first != (kind == EventType::Created) {
            self.tell(look, Invariant::Events, format!("event {seq} is `{}`", kind.as_str()));
        }
        if before.is_some_and(|before| before != state && !before.may_become(state)) {
            let before = before.map_or("nothing", State::as_str);
            self.tell(look, Invariant::States, format!("event {seq} goes from {before} to {}", state.as_str()));
        }
        if before.is_some_and(State::is_final) {
            self.tell(look, Invariant::FinalEvent, format!("event {seq} follows the end"));
        }
        let ends = matches!(kind, EventType::Succeeded | EventType::Failed | EventType::Canceled);
        if ends != state.is_final() {
            self.tell(
                look,
                Invariant::FinalEvent,
                format!("event {seq}, `{}`, says {}", kind.as_str(), state.as_str()),
            );
        }
        self.finals += u32::from(ends);
        if kind == EventType::Started {
            if before == Some(State::Running) {
                self.tell(look, Invariant::Attempts, format!("attempt {attempt} began while another was open"));
            }
            if attempt != self.attempt + 1 {
                self.tell(look, Invariant::Attempts, format!("attempt {attempt} follows attempt {}", self.attempt));
            }
        } else if attempt != self.attempt {
            let last = self.attempt;
            self.tell(look, Invariant::Attempts, format!("event {seq} is of attempt {attempt}, the last is {last}"));
        }
        (self.state, self.attempt) = (Some(state), attempt);
    }

    /// Compares the end with the job's row.
    pub fn end(mut self, look: &mut Look<'_>, seq: i64, state: i64, attempt: i64) {
        if self.seq != seq {
            let last = self.seq;
            self.tell(look, Invariant::Events, format!("the row says {seq} events, the last is number {last}"));
        }
        let row = State::from_number(state);
        if row.is_none() || row != self.state {
            let word = |state: Option<State>| state.map_or("nothing known", State::as_str);
            let (row, last) = (word(row), word(self.state));
            self.tell(look, Invariant::States, format!("the row says {row}, the last event {last}"));
        }
        if self.attempt != attempt {
            let last = self.attempt;
            self.tell(look, Invariant::Attempts, format!("the row says attempt {attempt}, the last event {last}"));
        }
        let expected = u32::from(row.is_some_and(State::is_final));
        if self.finals != expected {
            let finals = self.finals;
            self.tell(look, Invariant::FinalEvent, format!("{finals} final events where {expected} belong"));
        }
    }

    /// Says a thing once a job: what follows from the first fault is no news.
    fn tell(&mut self, look: &mut Look<'_>, invariant: Invariant, detail: String) {
        if !self.told.contains(&invariant) {
            self.told.push(invariant);
            look.page.found(invariant, self.subject.clone(), detail);
        }
    }
}
