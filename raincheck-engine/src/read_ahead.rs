//! What a watch has read from the store and not handed out yet: little, for a reader may stall for long, and there may be
//! many that do.

use std::collections::VecDeque;
use std::sync::Arc;

use raincheck_core::Event;

/// Most events that are read at once.
const PAGE: usize = 256;
/// What is kept of them, bytes.
const BYTES: usize = 128 << 10;

/// Events in their order.
pub(crate) struct ReadAhead {
    ready: VecDeque<Arc<Event>>,
    page: usize,
}

impl Default for ReadAhead {
    fn default() -> Self {
        ReadAhead { ready: VecDeque::new(), page: PAGE }
    }
}

impl ReadAhead {
    /// How many to read: about as many as will be kept, so that large ones are not read again and again to be left out.
    pub(crate) fn page(&self) -> usize {
        self.page
    }

    /// The next one.
    pub(crate) fn pop(&mut self) -> Option<Arc<Event>> {
        self.ready.pop_front()
    }

    /// The last one.
    pub(crate) fn last(&self) -> Option<&Event> {
        self.ready.back().map(|event| &**event)
    }

    /// Takes over events that were read; answers whether some were left out.
    pub(crate) fn take(&mut self, page: Vec<Event>) -> bool {
        let (count, before, mut weight) = (page.len(), self.ready.len(), 0);
        let few = page.into_iter().take_while(|event| {
            let fits = weight < BYTES;
            weight += event.weight();
            fits
        });
        self.ready.extend(few.map(Arc::new));
        let kept = self.ready.len() - before;
        self.page = if kept < count { kept.max(1) } else { (2 * self.page).min(PAGE) };
        kept < count
    }
}

#[cfg(test)]
mod tests {
    use raincheck_core::{Cursor, EventData, JobId, JobNo, Name, State, Timestamp};

    use super::*;

    fn page(count: usize) -> Vec<Event> {
        let event = Event {
            no: JobNo(1),
            job: JobId::from_parts(JobNo(1), 0),
            queue: Name::new("a").unwrap(),
            kind: Name::new("a").unwrap(),
            seq: 1,
            cursor: Cursor(1),
            at: Timestamp(0),
            attempt: 0,
            state: State::Queued,
            data: EventData::Queued,
        };
        vec![event; count]
    }

    #[test]
    fn as_many_are_read_as_are_kept() {
        let mut ahead = ReadAhead::default();
        assert!(!ahead.take(page(PAGE)));
        assert_eq!((ahead.page(), std::iter::from_fn(|| ahead.pop()).count()), (PAGE, PAGE));
        let many = BYTES / page(1)[0].weight() + 2;
        assert!(ahead.take(page(many)), "one too many");
        let kept = std::iter::from_fn(|| ahead.pop()).count();
        assert!(kept < many);
        assert_eq!(ahead.page(), kept);
        ahead.page = 4;
        assert!(!ahead.take(page(4)));
        assert_eq!(ahead.page(), 8, "they may be smaller again");
    }
}
