//! The frame that was written last, shared: those who watch the same are sent the same event one after the other.

use bytes::Bytes;
use parking_lot::Mutex;
use raincheck_core::Cursor;

/// Remembers one frame.
#[derive(Debug, Default)]
pub struct LastFrame(Mutex<Option<(Cursor, Bytes)>>);

impl LastFrame {
    /// The frame of an event: the one written last if it was for this one, else what `write` makes.
    pub fn of(&self, event: Cursor, write: impl FnOnce() -> Bytes) -> Bytes {
        if let Some(frame) = self.get(event) {
            return frame;
        }
        // Not under the lock: whoever comes meanwhile rather writes it, too, than waits.
        let frame = write();
        *self.0.lock() = Some((event, frame.clone()));
        frame
    }

    /// The frame of an event, if it was written last.
    pub fn get(&self, event: Cursor) -> Option<Bytes> {
        self.0.lock().as_ref().filter(|(shared, _)| *shared == event).map(|(_, frame)| frame.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_event_shares_a_frame() {
        let last = LastFrame::default();
        let (one, other) = (Cursor(1), Cursor(2));
        assert_eq!(last.of(one, || "one".into()), "one");
        assert_eq!(last.of(one, || panic!("written twice")), "one");
        assert_eq!(last.of(other, || "other".into()), "other");
        assert_eq!((last.get(one), last.get(other)), (None, Some("other".into())));
        assert_eq!(last.of(one, || "one again".into()), "one again");
    }
}
