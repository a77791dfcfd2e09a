//! The next event of a job, which must lead along the arrows.

use raincheck_core::{Event, EventData, EventType, State};

use super::Checker;
use super::verdict::{Verdict, demand};

impl Checker {
    /// The next event of a job that is there. What it may not be whoever asked for it.
    pub(super) fn step(&mut self, event: &Event) -> Verdict {
        let (no, kind) = (event.no, event.data.event_type());
        let Some(life) = self.lives.get_mut(&no) else {
            demand!(false, no, "an event of a job that is not there: {event:?}");
            return Ok(());
        };
        demand!(!life.state.is_final(), no, "an event after the end: {event:?}");
        demand!(event.seq == life.seq + 1, no, "event {} follows event {}", event.seq, life.seq);
        let starts = kind == EventType::Started;
        demand!(event.attempt == life.attempt + u32::from(starts), no, "attempts are not dense: {event:?}");
        let expected = match &event.data {
            EventData::Created { .. } | EventData::Gone(_) => None,
            EventData::Queued => (life.state == State::Scheduled).then_some(State::Queued),
            EventData::Blocked => None,
            EventData::Started { .. } => (life.state == State::Queued).then_some(State::Running),
            EventData::Progress(_) | EventData::CancelRequested => {
                (life.state == State::Running).then_some(State::Running)
            }
            EventData::Retrying { .. } | EventData::Released => {
                let waits = matches!(event.state, State::Queued | State::Scheduled);
                (life.state == State::Running && waits).then_some(event.state)
            }
            EventData::Lost { .. } => (life.state == State::Running).then_some(State::Queued),
            EventData::Succeeded => (life.state == State::Running).then_some(State::Succeeded),
            EventData::Failed(_) => Some(State::Failed),
            EventData::Canceled => Some(State::Canceled),
        };
        demand!(expected == Some(event.state), no, "no way from {:?} by {event:?}", life.state);
        demand!((event.job, event.at) == (life.row.id, self.now), no, "an event of another job or time: {event:?}");

        let from = life.state;
        (life.state, life.attempt, life.seq) = (event.state, event.attempt, event.seq);
        match &event.data {
            EventData::CancelRequested => life.stopping = true,
            EventData::Retrying { run_at, .. } => {
                life.failures += 1;
                life.losses = 0;
                life.not_before = *run_at;
                demand!(life.failures < life.row.max_attempts, no, "tried again after {} failures", life.failures);
                let waits = *run_at > self.now;
                demand!(waits == (event.state == State::Scheduled), no, "{:?} until {run_at:?}", event.state);
            }
            EventData::Released => life.losses = 0,
            EventData::Lost { .. } => {
                let poison = life.loses();
                demand!(!poison, no, "run again after {} losses, {:?}", life.losses, life.row.on_lost);
            }
            EventData::Succeeded => life.losses = 0,
            EventData::Failed(failure) => life.fails(failure, from, self.now)?,
            _ => {}
        }
        if event.state.is_final() {
            life.finished_at = self.now;
            self.owed.owe(life.row.id);
        }
        // One whose run was lost goes back to its place.
        if event.state == State::Queued && !matches!(event.data, EventData::Lost { .. }) {
            self.line += 1;
            life.queued = (self.starts, self.line);
        }
        let row = life.row.clone();
        self.counts.moved(&row, Some(from), Some(event.state));
        Ok(())
    }
}
