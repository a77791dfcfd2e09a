//! The change feed as this node publishes it: every transaction once, in the order of the feed, whoever made it.
//!
//! The writer hands in its own transactions as it makes them; where other nodes' lie before them, the tailer reads those
//! from the database. Whoever comes second with a transaction is not heard.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::records::Commit;

/// Where transactions are put in order, and published.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    state: Mutex<State>,
    /// Something is known to be missing: the tailer should read now.
    pub behind: Notify,
    /// This node may have written something that it does not know of.
    doubtful: AtomicBool,
}

/// A transaction, by what can be known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its place among the transactions.
    pub pos: i64,
    /// Its number; 0 where that is not known.
    pub batch: i64,
    /// The cursor of the last event up to there.
    pub last: i64,
}

#[derive(Debug, Default)]
struct State {
    /// The history that is published.
    history: i64,
    /// The last transaction that was published.
    at: Place,
    /// Transactions that wait for those before them, by place.
    early: BTreeMap<i64, Published>,
    reader: Option<UnboundedSender<Commit>>,
}

/// One transaction and its place.
#[derive(Debug)]
pub(crate) struct Published {
    /// Its place among the transactions.
    pub pos: i64,
    /// Its number; 0 where that is not known.
    pub batch: i64,
    /// The history that it is of.
    pub history: i64,
    /// What it changed, for whoever follows.
    pub commit: Commit,
}

impl Feed {
    /// Begins after what is in the database already.
    pub fn begin(&self, at: Place, history: i64) {
        let mut state = self.state.lock();
        (state.at, state.history) = (at, history);
    }

    /// The place of the last transaction that was published, and its number; the tailer reads on from there.
    pub fn at(&self) -> Place {
        self.state.lock().at
    }

    /// The last transaction that this node knows of, published or not.
    pub fn known(&self) -> Place {
        let state = self.state.lock();
        state.early.values().fold(state.at, |at, published| at.then(published))
    }

    /// Publishes from now on another history, which is the same up to a place, and has whoever waits look again.
    pub fn go_on_from(&self, parting: Place, history: i64) {
        self.doubt();
        let mut state = self.state.lock();
        state.history = history;
        state.early.clear();
        if state.at.pos > parting.pos {
            state.at = parting;
        }
        state.send(Commit { history_changed: true, ..Commit::default() });
        drop(state);
        self.behind.notify_one();
    }

    /// From now on what this node itself wrote is read like what others did, where the tailer comes first to it.
    pub fn doubt(&self) {
        self.doubtful.store(true, Ordering::Release);
    }

    /// Whether that is so.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Acquire)
    }

    /// Everything published from now on; takes over from an earlier reader.
    pub fn commits(&self) -> UnboundedReceiver<Commit> {
        let (sender, receiver) = unbounded_channel();
        self.state.lock().reader = Some(sender);
        receiver
    }

    /// Publishes a transaction, at once or when those before it have been.
    pub fn publish(&self, published: Published) {
        let mut state = self.state.lock();
        if published.history != state.history || published.pos <= state.at.pos {
            return;
        }
        state.early.insert(published.pos, published);
        while let Some(published) = state.next() {
            state.at = state.at.then(&published);
            if !published.commit.events.is_empty() || !published.commit.chunks.is_empty() {
                state.send(published.commit);
            }
        }
        if !state.early.is_empty() {
            self.behind.notify_one();
        }
    }
}

impl Place {
    /// Whether it is the transaction of that number that stands at its place, as far as is known.
    pub fn may_be(&self, pos: i64, batch: i64) -> bool {
        pos != self.pos || batch == self.batch || self.batch == 0
    }

    /// The place of a transaction that comes later.
    fn then(self, published: &Published) -> Place {
        let last = published.commit.events.last().map_or(self.last, |event| event.cursor.0);
        Place { pos: published.pos, batch: published.batch, last }
    }
}

impl State {
    /// The transaction whose turn it is, if it is there.
    fn next(&mut self) -> Option<Published> {
        let next = self.at.pos + 1;
        self.early.remove(&next)
    }

    fn send(&mut self, commit: Commit) {
        if self.reader.as_ref().is_some_and(|reader| reader.send(commit).is_err()) {
            self.reader = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use raincheck_core::{ChunkKind, JobNo};

    use super::*;

    /// One that is published by itself.
    fn published(pos: i64, history: i64) -> Published {
        let commit = Commit { chunks: vec![(JobNo(pos), ChunkKind::Log)], ..Commit::default() };
        Published { pos, batch: 100 + pos, history, commit }
    }

    #[test]
    fn what_comes_after_the_parting_is_told_and_nothing_of_before() {
        let feed = Feed::default();
        feed.begin(Place { pos: 4, batch: 104, last: 40 }, 0);
        let mut heard = feed.commits();
        for pos in [5, 6, 8] {
            feed.publish(published(pos, 0));
        }
        assert_eq!((feed.at().pos, feed.known().pos), (6, 8));
        feed.go_on_from(Place { pos: 5, batch: 0, last: 40 }, 9_000);
        assert_eq!((feed.at().pos, feed.known().pos), (5, 5));
        feed.publish(published(6, 0));
        for pos in [6, 7] {
            feed.publish(published(pos, 9_000));
        }
        feed.go_on_from(Place { pos: 7, batch: 0, last: 40 }, 9_999);
        assert_eq!(feed.at(), Place { pos: 7, batch: 107, last: 40 }, "where nothing is missing, it goes on");
        let all: Vec<_> = std::iter::from_fn(|| heard.try_recv().ok())
            .map(|commit| if commit.history_changed { 0 } else { commit.chunks[0].0.0 })
            .collect();
        assert_eq!(all, [5, 6, 0, 6, 7, 0]);
    }
}
