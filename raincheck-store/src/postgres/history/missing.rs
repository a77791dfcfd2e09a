//! Which events are missing after the database came to have another history. Cursors leap from one history to the next, so
//! they are counted within each.

use parking_lot::Mutex;

use super::epoch::Epoch;

/// A history with those before it, and the cursor of its last event so far.
pub(crate) struct Line<'e> {
    pub epochs: &'e [Epoch],
    pub last: i64,
}

/// Events of one history: those after a cursor, up to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    epoch: Epoch,
    after: i64,
    last: i64,
}

/// Events that a line does not have.
#[derive(Debug, Default)]
pub(crate) struct Loss(Vec<Span>);

/// Events that this node knew of and that are not there: what turns up again, as on the way back to the server that
/// had them all along, is missing no more.
#[derive(Debug, Default)]
pub(crate) struct Missing(Mutex<Loss>);

impl Missing {
    /// How many.
    pub fn count(&self) -> u64 {
        self.0.lock().count()
    }

    /// Goes on with a line, on the way to which that was lost.
    pub fn go_on(&self, loss: Loss, found: &Line<'_>) {
        let mut all = self.0.lock();
        all.0.extend(loss.0);
        all.0 = all.0.iter().filter_map(|span| found.rest(*span)).collect();
    }
}

impl Loss {
    /// How many events those are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|span| (span.last - span.after).max(0).unsigned_abs()).sum()
    }
}

impl Line<'_> {
    /// The first cursor of its last history.
    pub fn current(&self) -> i64 {
        self.epochs.last().map_or(0, |epoch| epoch.first)
    }

    /// What it does not have of another.
    pub fn lacks(&self, known: &Line<'_>) -> Loss {
        Loss(known.spans().filter_map(|span| self.rest(span)).collect())
    }

    fn spans(&self) -> impl Iterator<Item = Span> {
        let ends = self.epochs.iter().skip(1).map(|next| next.before.last).chain([self.last]);
        self.epochs.iter().zip(ends).map(|(epoch, last)| Span { epoch: *epoch, after: epoch.first - 1, last })
    }

    /// What of these events it does not have.
    fn rest(&self, span: Span) -> Option<Span> {
        let own = self.spans().find(|own| own.epoch == span.epoch);
        let after = own.map_or(span.after, |own| own.last.max(span.after));
        (after < span.last).then_some(Span { after, ..span })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::feed::order::Place;

    const FIRST: Epoch = Epoch { first: 0, before: Place { pos: 0, last: 0, batch: 0 } };

    fn epoch(first: i64, last: i64) -> Epoch {
        Epoch { first, before: Place { pos: last, last, batch: 0 } }
    }

    fn missing(known: &Line<'_>, found: &Line<'_>) -> u64 {
        found.lacks(known).count()
    }

    #[test]
    fn events_are_counted_within_each_history() {
        let (left, right) = (epoch(1 << 60, 10), epoch(1 << 61, 12));
        let before = Line { epochs: &[FIRST], last: 15 };
        let promoted = Line { epochs: &[FIRST, left], last: left.first + 6 };
        assert_eq!(missing(&before, &promoted), 5, "what the standby had not got");
        // Led back to a server that never heard of the promotion, and goes on by itself.
        let old = Line { epochs: &[FIRST, right], last: right.first - 1 };
        assert_eq!(missing(&promoted, &old), 7);
        let fresh = Line { epochs: &[FIRST, left], last: left.first - 1 };
        assert_eq!(missing(&fresh, &old), 0, "nothing was written there");
        assert_eq!(missing(&old, &old), 0);
    }

    #[test]
    fn what_turns_up_again_is_missing_no_more() {
        let (left, right) = (epoch(1 << 60, 10), epoch(1 << 61, 12));
        let promoted = Line { epochs: &[FIRST, left], last: left.first + 6 };
        let old = Line { epochs: &[FIRST, right], last: right.first + 2 };
        let all = Missing::default();
        all.go_on(old.lacks(&promoted), &old);
        assert_eq!(all.count(), 7);
        // Somebody else wrote meanwhile where they all are.
        let back = Line { epochs: &[FIRST, left], last: left.first + 9 };
        all.go_on(back.lacks(&old), &back);
        assert_eq!(all.count(), 5, "two of before the switch, and three that were written after it");
        all.go_on(Loss::default(), &back);
        assert_eq!(all.count(), 5);
    }
}
