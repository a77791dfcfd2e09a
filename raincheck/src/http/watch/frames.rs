//! The frame that was written last, shared: those who watch the same are told of the same event one after the other.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use raincheck_core::Event;

/// Remembers one frame.
#[derive(Debug, Default)]
pub struct LastFrame(Mutex<Option<(Arc<Event>, Bytes)>>);

impl LastFrame {
    /// The frame of an event: the one written last if it was for this very event, else what `write` makes.
    pub fn of(&self, event: &Arc<Event>, write: impl FnOnce() -> Bytes) -> Bytes {
        if let Some((told, frame)) = &*self.0.lock()
            && Arc::ptr_eq(told, event)
        {
            return frame.clone();
        }
        // Not under the lock: whoever comes meanwhile rather writes it, too, than waits.
        let frame = write();
        *self.0.lock() = Some((event.clone(), frame.clone()));
        frame
    }
}

#[cfg(test)]
mod tests {
    use raincheck_core::{Cursor, EventData, JobId, JobNo, Name, State, Timestamp};

    use super::*;

    #[test]
    fn only_the_same_event_shares_a_frame() {
        let event = |seq| {
            Arc::new(Event {
                cursor: Cursor(1),
                seq,
                no: JobNo(1),
                job: JobId::from_parts(JobNo(1), 0),
                queue: Name::new("q").unwrap(),
                kind: Name::new("k").unwrap(),
                state: State::Queued,
                attempt: 0,
                at: Timestamp(0),
                data: EventData::Queued,
            })
        };
        let last = LastFrame::default();
        let (one, other) = (event(1), event(2));
        assert_eq!(last.of(&one, || "one".into()), "one");
        assert_eq!(last.of(&one, || panic!("written twice")), "one");
        assert_eq!(last.of(&other, || "other".into()), "other");
        assert_eq!(last.of(&event(2), || "an equal one".into()), "an equal one", "equal is not the same");
        assert_eq!(last.of(&one, || "one again".into()), "one again");
    }
}
