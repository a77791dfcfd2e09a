use std::collections::VecDeque;
use std::sync::Arc;

use raincheck_core::{Cursor, Event, Place};
use raincheck_store::{EventFilter, EventPage, Most, StoreError};
use tokio::sync::broadcast::error::RecvError;

use crate::Engine;
use crate::hub::FeedListener;

/// Why the feed cannot be read from a cursor.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FeedError {
    /// Events after it are no longer kept.
    #[error("the cursor is too old; events about it are gone")]
    Expired,
    /// Events before it are not in the data any more: that came back without them.
    #[error("events before the cursor are lost")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where reading the feed begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what happens from now on.
    Now,
    /// With the oldest event that is there.
    Oldest,
    /// Behind a place that was handed out.
    Behind(Place),
    /// Where a named reader is. Events wait for it: it is told when some did not, wherever it is.
    Reader(Place),
}

/// The whole feed from a cursor on and then live, filtered: none missed, none doubled, in order.
pub struct FeedWatch {
    engine: Engine,
    filter: EventFilter,
    /// Subscribed before the first read, so that nothing falls between reading and listening.
    live: FeedListener,
    /// Everything up to here has been looked at.
    seen: Cursor,
    /// The history of the data that this is a place of.
    history: i64,
    /// The one that there was when it began.
    began_in: i64,
    /// Read from the store and not handed out yet.
    read: VecDeque<Event>,
    /// Where a resumed watch goes on: the last event handed out, or further when what followed did not pass.
    position: Cursor,
    /// The store has events above `seen` that the hub will not bring.
    behind: bool,
    /// See [`Place::gaps_below`].
    gaps_below: Cursor,
    /// Whether its reader is told of whatever goes before it is read.
    is_strict: bool,
}

impl Engine {
    /// The place where reading begins, and where the feed ends.
    pub(crate) async fn feed_from(&self, start: Start) -> Result<(Place, Cursor), FeedError> {
        let (head, removed) = self.store().feed_bounds().await?;
        let place = match start {
            Start::Now => head.into(),
            Start::Oldest => Place { at: Cursor(0), gaps_below: removed },
            Start::Behind(place) => place.forgiving(removed),
            Start::Reader(place) => place,
        };
        // A cursor is signed: what lies ahead was published once. In the first history, every other place is one.
        if place.at > head || self.store().history() > 0 && self.store().is_void(place.at).await? {
            return Err(FeedError::Lost);
        }
        if place.has_missed(removed.min(head)) {
            return Err(FeedError::Expired);
        }
        Ok((place, head))
    }

    /// Watches the whole feed.
    pub async fn watch_feed(&self, start: Start, filter: EventFilter) -> Result<FeedWatch, FeedError> {
        let live = self.0.hub.watch_all();
        let history = self.store().history();
        let (Place { at: seen, gaps_below }, head) = self.feed_from(start).await?;
        let (engine, read, behind) = (self.clone(), VecDeque::new(), seen < head);
        let (began_in, is_strict) = (history, matches!(start, Start::Reader(_)));
        Ok(FeedWatch {
            engine,
            filter,
            live,
            seen,
            history,
            began_in,
            read,
            position: seen,
            behind,
            gaps_below,
            is_strict,
        })
    }
}

impl FeedWatch {
    /// The events after a place where this watch has been that pass the filter, at most `limit`.
    ///
    /// # Errors
    /// [`FeedError::Lost`] when the data has another history since the watch began, in which that place means nothing,
    /// [`FeedError::Expired`] when events above it were removed meanwhile.
    pub async fn page(&mut self, from: Cursor, limit: usize) -> Result<EventPage, FeedError> {
        let engine = self.engine.clone();
        let store = engine.store();
        let page = store.events(from, &self.filter, limit).await?;
        // After it was read: it is of the history that is known by now, or of one before.
        if store.history() != self.began_in && store.is_void(from).await? {
            return Err(FeedError::Lost);
        }
        if self.is_overtaken(from).await? {
            return Err(FeedError::Expired);
        }
        Ok(page)
    }

    /// The next event that passes the filter, when there is one; `None` when draining begins, or when its place means
    /// nothing any more or events above it were removed. May be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Arc<Event>>, StoreError> {
        let draining = self.engine.draining();
        loop {
            if draining.is_cancelled() {
                return Ok(None);
            }
            if let Some(event) = self.read.pop_front() {
                self.position = event.cursor;
                return Ok(Some(Arc::new(event)));
            }
            self.position = self.seen;
            // Who waits keeps no memory for it.
            self.read = VecDeque::new();
            if self.behind {
                if self.catch_up().await? {
                    continue;
                }
                return Ok(None);
            }
            let event = tokio::select! {
                event = self.live.next() => event,
                () = draining.cancelled() => return Ok(None),
            };
            match event {
                Ok(event) if event.cursor > self.seen => {
                    self.seen = event.cursor;
                    self.position = event.cursor;
                    if self.filter.admits(&event) {
                        return Ok(Some(event));
                    }
                }
                Ok(_) => {}
                Err(RecvError::Lagged(0)) if self.is_void().await? => return Ok(None),
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// Where to go on after a break: everything up to here was handed out or did not pass the filter.
    pub fn position(&self) -> Cursor {
        self.position
    }

    /// See [`Place::gaps_below`].
    pub fn gaps_below(&self) -> Cursor {
        self.gaps_below
    }

    /// A place where this watch has been, to be handed out.
    pub fn place(&self, at: Cursor) -> Place {
        Place { at, gaps_below: self.gaps_below }
    }

    /// Whether events above `from`, where this watch has been, were removed before they were read. Asked after reading.
    async fn is_overtaken(&mut self, from: Cursor) -> Result<bool, StoreError> {
        let (_, removed) = self.engine.store().feed_bounds().await?;
        if !self.is_strict {
            self.gaps_below = self.place(from).forgiving(removed).gaps_below;
        }
        Ok(self.place(from).has_missed(removed))
    }

    /// Whether the place means nothing any more: the data has another history, in which nobody was ever there.
    async fn is_void(&mut self) -> Result<bool, StoreError> {
        let history = self.engine.store().history();
        let is_void = history != self.history && self.engine.store().is_void(self.seen).await?;
        if !is_void {
            self.history = history;
        }
        Ok(is_void)
    }

    /// Reads on; answers whether that means anything.
    async fn catch_up(&mut self) -> Result<bool, StoreError> {
        // Never closed, so there is no error.
        let engine = self.engine.clone();
        let _turn = engine.0.catching_up.acquire().await;
        let page = engine.store().some_events(self.seen, &self.filter, Most::ahead()).await?;
        // It may be of a history that came after the look before this one.
        if self.is_void().await? || self.is_overtaken(self.seen).await? {
            return Ok(false);
        }
        self.seen = self.seen.max(page.read_to);
        self.behind = !page.at_head;
        self.read = page.items.into();
        Ok(true)
    }
}
