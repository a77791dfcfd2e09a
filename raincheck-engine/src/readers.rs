//! Named readers of the change feed: their places are kept, and moved when they say so.

use raincheck_core::{
    Command, Cursor, Delete, Expected, Millis, Name, Object, ObjectKind, Place, Put, Timestamp, limits,
};
use raincheck_store::{EventFilter, Most, StoreError};

use crate::watch_feed::{FeedError, Start};
use crate::{Engine, ObjectError, replies};

const KIND: ObjectKind = ObjectKind::Reader;

/// A named place in the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Its name.
    pub name: Name,
    /// Up to where it has read, and below where events were missing when it began.
    pub place: Place,
    /// See [`Object::version`].
    pub version: i64,
    /// When it was last moved.
    pub updated_at: Timestamp,
}

/// How far a reader is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Events that it has not read, at most: of those that it knows to be gone, the ones behind the first that is there count.
    pub events: u64,
    /// For how long the first of them has been there, milliseconds.
    pub millis: Millis,
    /// Some of them were removed: it cannot go on from where it is.
    pub is_expired: bool,
}

/// Why a reader was not moved.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// The feed cannot be read from there.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The reader could not be put or deleted.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl From<StoreError> for ReaderError {
    fn from(error: StoreError) -> Self {
        ObjectError::from(error).into()
    }
}

impl Reader {
    fn of(object: &Object) -> Result<Reader, StoreError> {
        let place = Place::from_bytes(&object.body);
        let place = place.ok_or_else(|| StoreError::Other(format!("the reader {} cannot be read", object.name)))?;
        Ok(Reader { name: object.name.clone(), place, version: object.version, updated_at: object.updated_at })
    }
}

impl Engine {
    /// The reader of a name; `None` when there is none.
    pub async fn reader(&self, name: &Name) -> Result<Option<Reader>, StoreError> {
        self.store().object(KIND, name).await?.map(|object| Reader::of(&object)).transpose()
    }

    /// Readers behind `after`, by name, at most `limit`.
    pub async fn readers(&self, after: Option<&Name>, limit: usize) -> Result<Vec<Reader>, StoreError> {
        self.store().objects(KIND, after, limit).await?.iter().map(Reader::of).collect()
    }

    /// Makes a reader, or moves it. Answers whether there was none.
    ///
    /// # Errors
    /// See [`ReaderError`]; nothing was changed then.
    pub async fn put_reader(&self, name: Name, to: Start, expected: Expected) -> Result<(Reader, bool), ReaderError> {
        let (place, _) = self.feed_from(to).await?;
        let put = Put { kind: KIND, name, expected, body: place.to_bytes().into() };
        let (object, is_new) = replies::put(self.one(Command::Put(put)).await?)?;
        Ok((Reader::of(&object)?, is_new))
    }

    /// Deletes a reader; answers whether it was there.
    ///
    /// # Errors
    /// See [`ObjectError`]; nothing was changed then.
    pub async fn delete_reader(&self, name: Name, expected: Expected) -> Result<bool, ObjectError> {
        replies::delete(self.one(Command::Delete(Delete { kind: KIND, name, expected })).await?)
    }

    /// Up to where every named reader has read; the end of all feeds where there is none.
    pub(crate) async fn read_by_all(&self) -> Result<Cursor, StoreError> {
        let readers = self.readers(None, limits::OBJECTS).await?;
        Ok(readers.iter().map(|reader| reader.place.at).min().unwrap_or(Cursor(i64::MAX)))
    }

    /// How far each reader is behind.
    pub async fn lags(&self, readers: &[Reader]) -> Result<Vec<Lag>, StoreError> {
        let bounds = self.store().feed_bounds().await?;
        let mut lags = Vec::with_capacity(readers.len());
        for reader in readers {
            lags.push(self.lag(reader, bounds).await?);
        }
        Ok(lags)
    }

    async fn lag(&self, reader: &Reader, (head, removed): (Cursor, Cursor)) -> Result<Lag, StoreError> {
        let seen = reader.place.at;
        if seen >= head {
            return Ok(Lag::default());
        }
        let one = Most { rows: 1, ..Most::ahead() };
        let first = self.store().some_events(seen, &EventFilter::default(), one).await?.items.pop();
        let is_expired = reader.place.has_missed(removed.min(head));
        // Whoever knows that events are gone waits for those that are there.
        let oldest = first.as_ref().filter(|_| !is_expired).map(|event| Cursor(event.cursor.0 - 1));
        let events = self.events_between(oldest.unwrap_or(seen), head);
        // When the first one happened went with it: not read for as long as nobody has moved the reader is what is known.
        let moved = Some(reader.updated_at).filter(|_| is_expired);
        let since = first.map(|event| event.at).into_iter().chain(moved).min();
        let millis = since.map_or(0, |at| self.store().now().since(at).max(0));
        Ok(Lag { events, millis, is_expired })
    }

    /// How many events there were above `seen` up to `head`: between two histories there are none.
    fn events_between(&self, seen: Cursor, head: Cursor) -> u64 {
        let gaps = self.store().gaps_of_histories().into_iter();
        let unused = gaps.map(|(last, before_next)| (before_next.min(head).0 - last.max(seen).0).max(0));
        (head.0 - seen.0 - unused.sum::<i64>()).max(0).unsigned_abs()
    }
}
