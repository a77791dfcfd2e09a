//! Every reader sees the same order, without holes, and nothing that is not there.

use std::ops::Bound;

use raincheck_core::{Cursor, Event, JobNo};

use super::{Checker, Verdict, Violation};

impl Checker {
    /// A reader who had come to `after` was given `events` and told that this is all up to `to`. One whose place was
    /// forgotten is told so instead.
    pub fn read(&self, after: Cursor, events: &[&Event], to: Cursor) -> Verdict {
        let above = (Bound::Excluded(after.0), Bound::Included(to.0.max(after.0)));
        same(after, events, self.feed.range(above))
    }

    /// A reader who had come to `after` was told of the next commit.
    pub fn heard(&self, after: Cursor, events: &[Event]) -> Verdict {
        let to = events.last().map_or(after, |event| event.cursor);
        self.read(after, &events.iter().collect::<Vec<_>>(), to)
    }

    /// Nobody reads at or below this place any more.
    pub fn all_read(&mut self, to: Cursor) {
        self.feed = self.feed.split_off(&(to.0 + 1));
    }
}

fn same<'a>(after: Cursor, events: &[&Event], expected: impl Iterator<Item = (&'a i64, &'a (JobNo, u32))>) -> Verdict {
    let mut expected = expected.map(|(cursor, (no, seq))| (*cursor, *no, *seq));
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
