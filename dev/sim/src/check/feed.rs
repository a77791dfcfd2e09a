//! Every reader sees the same order, without holes, and nothing that is not there.

use std::ops::Bound;

use raincheck_core::{Cursor, Event, EventData, JobNo};

use super::{Checker, Verdict, Violation, demand};

impl Checker {
    /// A reader who had come to `after` was given `events` and told that this is all up to `to`. One whose place was
    /// forgotten is told so instead.
    pub fn read(&self, after: Cursor, events: &[Event], to: Cursor) -> Verdict {
        for event in events {
            let (gone, there) = (matches!(event.data, EventData::Gone(_)), self.lives.contains_key(&event.no));
            demand!(gone != there, event.no, "a job that is there: {there}, and a reader was given {event:?}");
        }
        self.published_all(after, events, to)
    }

    fn published_all(&self, after: Cursor, events: &[Event], to: Cursor) -> Verdict {
        let above = (Bound::Excluded(after.0), Bound::Included(to.0.max(after.0)));
        same(after, events, self.feed.range(above).map(|(cursor, (no, seq, _))| (*cursor, *no, *seq)))
    }

    /// The feed lost all of forgotten jobs up to `floor`, which is the last of those: only what is old, or too much.
    pub(super) fn trimmed(&mut self, floor: Cursor) -> Verdict {
        if floor == std::mem::replace(&mut self.floor, floor) {
            return Ok(());
        }
        // What everybody has read is not kept any more.
        let Some((no, _, at)) = self.feed.get(&floor.0) else { return Ok(()) };
        demand!(!self.lives.contains_key(no), *no, "event {floor:?} is gone, its job is not");
        let over = self.now.since(*at) >= self.retention.keep || self.retention.max_bytes < u64::MAX;
        demand!(over, *no, "event {floor:?} was removed before its time");
        Ok(())
    }

    /// A reader who had come to `after` was sent the next commit.
    pub fn heard(&self, after: Cursor, events: &[Event]) -> Verdict {
        let to = events.last().map_or(after, |event| event.cursor);
        self.published_all(after, events, to)
    }

    /// Nobody reads at or below this place any more.
    pub fn all_read(&mut self, to: Cursor) {
        self.feed = self.feed.split_off(&(to.0 + 1));
    }
}

fn same(after: Cursor, events: &[Event], mut expected: impl Iterator<Item = (i64, JobNo, u32)>) -> Verdict {
    for event in events {
        if expected.next() != Some((event.cursor.0, event.no, event.seq)) {
            let what = format!("a reader behind {after:?} was given {event:?}");
            return Err(Violation { job: Some(event.no), what });
        }
    }
    match expected.next() {
        Some((cursor, no, _)) => {
            Err(Violation { job: Some(no), what: format!("a reader behind {after:?} was not given event {cursor}") })
        }
        None => Ok(()),
    }
}
