//! The change feed as this node tells of it: every transaction once, in the order of the feed, whoever made it.
//!
//! The writer hands in its own transactions as it makes them; where other nodes' lie before them, the tailer reads those
//! from the database. Whoever comes second with a transaction is not heard.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::records::Commit;

/// Where transactions are put in order, and told of.
#[derive(Debug, Default)]
pub(super) struct Feed {
    state: Mutex<State>,
    /// Something is known to be missing: the tailer should read now.
    pub behind: Notify,
    /// This node may have written something that it does not know of.
    doubtful: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    pos: i64,
    /// Transactions that wait for those before them, by place.
    early: BTreeMap<i64, Told>,
    reader: Option<UnboundedSender<Commit>>,
}

/// One transaction and its place.
#[derive(Debug)]
pub(super) struct Told {
    /// Its place among the transactions.
    pub pos: i64,
    /// What it changed.
    pub commit: Commit,
}

impl Feed {
    /// Begins after what is in the database already.
    pub fn begin(&self, pos: i64) {
        self.state.lock().pos = pos;
    }

    /// The place of the last transaction that was told of; the tailer reads on from there.
    pub fn pos(&self) -> i64 {
        self.state.lock().pos
    }

    /// From now on what this node itself wrote is read like what others did, where the tailer comes first to it.
    pub fn doubt(&self) {
        self.doubtful.store(true, Ordering::Release);
    }

    /// Whether that is so.
    pub fn is_doubtful(&self) -> bool {
        self.doubtful.load(Ordering::Acquire)
    }

    /// Everything told of from now on; takes over from an earlier reader.
    pub fn commits(&self) -> UnboundedReceiver<Commit> {
        let (sender, receiver) = unbounded_channel();
        self.state.lock().reader = Some(sender);
        receiver
    }

    /// Tells of a transaction, at once or when those before it have been.
    pub fn publish(&self, told: Told) {
        let mut state = self.state.lock();
        if told.pos <= state.pos {
            return;
        }
        state.early.insert(told.pos, told);
        while let Some(told) = state.next() {
            state.pos = told.pos;
            let silent = told.commit.events.is_empty() && told.commit.chunks.is_empty();
            if !silent && state.reader.as_ref().is_some_and(|reader| reader.send(told.commit).is_err()) {
                state.reader = None;
            }
        }
        if !state.early.is_empty() {
            self.behind.notify_one();
        }
    }
}

impl State {
    /// The transaction whose turn it is, if it is there.
    fn next(&mut self) -> Option<Told> {
        let next = self.pos + 1;
        self.early.remove(&next)
    }
}
