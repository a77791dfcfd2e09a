//! Places in the change feed that readers come to.

use crate::event::Cursor;

/// How a kept place is written: the first byte, before two cursors of 8 bytes, big-endian.
const FORMAT: u8 = 1;

/// A place in the change feed that a reader has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Everything up to here is read.
    pub at: Cursor,
    /// Below here, events of forgotten jobs were missing already when its reader began: at the oldest event that was there.
    pub gaps_below: Cursor,
}

impl From<Cursor> for Place {
    fn from(at: Cursor) -> Self {
        Place { at, gaps_below: Cursor(0) }
    }
}

impl Place {
    /// Whether its reader still knows of missing events ahead of it.
    pub fn is_among_gaps(self) -> bool {
        self.at < self.gaps_below
    }

    /// Whether events that its reader waits for are gone, when `removed` is the last one that was removed.
    pub fn has_missed(self, removed: Cursor) -> bool {
        self.at < removed && self.gaps_below < removed
    }

    /// The same place for a reader that does not mind what goes while it is still among the gaps.
    pub fn forgiving(self, removed: Cursor) -> Place {
        if self.is_among_gaps() { Place { gaps_below: self.gaps_below.max(removed), ..self } } else { self }
    }

    /// As it is kept.
    pub fn to_bytes(self) -> Vec<u8> {
        [&[FORMAT][..], &self.at.0.to_be_bytes(), &self.gaps_below.0.to_be_bytes()].concat()
    }

    /// What [`Place::to_bytes`] wrote; `None` of anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Place> {
        let (at, gaps) = bytes.strip_prefix(&[FORMAT])?.split_first_chunk()?;
        let cursor = |bytes: [u8; 8]| Some(i64::from_be_bytes(bytes)).filter(|at| *at >= 0).map(Cursor);
        Some(Place { at: cursor(*at)?, gaps_below: cursor(gaps.try_into().ok()?)? })
    }
}
