use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

use raincheck_core::{Name, QueueSettings, State};
use rusqlite::{Connection, Result, params};

use crate::records::QueueStats;
use crate::sqlite::tables::names::KnownNames;

/// What the writer keeps of one queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    pub settings: QueueSettings,
    /// How many jobs were ever put into it.
    pub tickets: i64,
    /// How many of them left the line: started, or ended without a start.
    pub served: i64,
    /// Jobs in each state, by its number.
    pub by_state: [u64; 7],
}

/// Counters and settings, owned by the writer: read at start, changed with every job, written once a transaction. There are
/// few, so that a tree is quicker than a hash.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Queues, by their number in the table `queue`.
    pub queues: BTreeMap<i64, Queue>,
    /// Jobs in each state, by the numbers of queue and kind.
    pub pairs: BTreeMap<(i64, i64), [u64; 7]>,
    /// Jobs that wait, in all queues.
    pub waiting: u64,
    /// Queues that are to be written.
    dirty_queues: BTreeSet<i64>,
    /// Queues whose counters readers must be given once the transaction is on disk.
    touched: BTreeSet<i64>,
    /// Counts that are to be written: queue, kind and state.
    dirty_pairs: BTreeSet<(i64, i64, u8)>,
    /// Kinds that have no row yet.
    new_kinds: BTreeSet<i64>,
    /// Kinds that have a row, or will have one with this transaction.
    known_kinds: BTreeSet<i64>,
}

impl Counters {
    pub fn load(db: &Connection) -> Result<Self> {
        let mut book = Counters::default();
        let mut statement = db.prepare("SELECT id, paused, max_queued, concurrency, tickets, served FROM queue")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let settings = QueueSettings {
                paused: row.get(1)?,
                max_queued: row.get::<_, Option<i64>>(2)?.map(|n| n as u64),
                concurrency: row.get(3)?,
            };
            let queue = Queue { settings, tickets: row.get(4)?, served: row.get(5)?, by_state: [0; 7] };
            book.queues.insert(row.get(0)?, queue);
        }
        let mut statement = db.prepare("SELECT queue, kind, state, n FROM counter")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (queue, kind, n): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(3)?);
            // A count that no number of jobs can have is damage: what is kept must not be built on it.
            let broken = |column| rusqlite::Error::IntegralValueOutOfRange(column, n);
            let n = u32::try_from(n).map(u64::from).map_err(|_| broken(3))?;
            let state = State::from_number(row.get(2)?).ok_or_else(|| broken(2))? as usize;
            book.pairs.entry((queue, kind)).or_default()[state] = n;
            book.queues.entry(queue).or_default().by_state[state] += n;
            if state < State::Running as usize {
                book.waiting += n;
            }
        }
        book.known_kinds = db.prepare("SELECT id FROM kind")?.query_map([], |r| r.get(0))?.collect::<Result<_>>()?;
        Ok(book)
    }

    /// The queue, made known if it is new.
    pub fn queue(&mut self, number: i64) -> &mut Queue {
        self.dirty_queues.insert(number);
        self.queues.entry(number).or_default()
    }

    /// Moves one job from one state to another; `None` is outside the store.
    pub fn moved(&mut self, queue: i64, kind: i64, from: Option<State>, to: Option<State>) {
        if from == to {
            return;
        }
        if self.known_kinds.insert(kind) {
            self.new_kinds.insert(kind);
        }
        let pair = self.pairs.entry((queue, kind)).or_default();
        let whole = self.queues.entry(queue).or_default();
        self.dirty_queues.insert(queue);
        if let Some(state) = from {
            pair[state as usize] -= 1;
            whole.by_state[state as usize] -= 1;
            self.waiting -= u64::from(state.is_waiting());
            self.dirty_pairs.insert((queue, kind, state as u8));
        }
        if let Some(state) = to {
            pair[state as usize] += 1;
            whole.by_state[state as usize] += 1;
            self.waiting += u64::from(state.is_waiting());
            self.dirty_pairs.insert((queue, kind, state as u8));
        }
    }

    /// Whether a queue has no job and no settings.
    pub fn is_idle_queue(&self, number: i64) -> bool {
        self.queues.get(&number).is_none_or(|queue| {
            queue.settings == QueueSettings::default() && queue.by_state.iter().all(|count| *count == 0)
        })
    }

    /// Kinds that there are jobs of.
    pub fn used_kinds(&self) -> BTreeSet<i64> {
        let used = self.pairs.iter().filter(|(_, counts)| counts.iter().any(|count| *count > 0));
        used.map(|((_, kind), _)| *kind).collect()
    }

    /// A queue whose row is gone.
    pub fn forget_queue(&mut self, number: i64) {
        self.queues.remove(&number);
        self.dirty_queues.remove(&number);
        self.touched.remove(&number);
        self.pairs.retain(|(queue, _), _| *queue != number);
        self.dirty_pairs.retain(|(queue, ..)| *queue != number);
    }

    /// A kind whose row is gone.
    pub fn forget_kind(&mut self, number: i64) {
        self.known_kinds.remove(&number);
        self.new_kinds.remove(&number);
        self.pairs.retain(|(_, kind), _| *kind != number);
        self.dirty_pairs.retain(|(_, kind, _)| *kind != number);
    }

    /// Which queues changed in the transaction that is on disk now.
    pub fn take_touched(&mut self) -> BTreeSet<i64> {
        take(&mut self.touched)
    }

    /// Writes what changed.
    pub fn flush(&mut self, db: &Connection, names: &KnownNames) -> Result<()> {
        for kind in take(&mut self.new_kinds) {
            let name = names.kind_name(kind).map(|n| n.to_string());
            db.prepare_cached("INSERT INTO kind (id, name) VALUES (?1, ?2)")?.execute(params![kind, name])?;
        }
        for number in take(&mut self.dirty_queues) {
            self.touched.insert(number);
            let queue = &self.queues[&number];
            let name = names.queue_name(number).map(|n| n.to_string());
            db.prepare_cached(
                "INSERT INTO queue VALUES (?1,?2,?3,?4,?5,?6,?7) ON CONFLICT (id) DO UPDATE SET \
                 paused=?3, max_queued=?4, concurrency=?5, tickets=?6, served=?7",
            )?
            .execute(params![
                number,
                name,
                queue.settings.paused,
                queue.settings.max_queued.map(|n| n as i64),
                queue.settings.concurrency,
                queue.tickets,
                queue.served
            ])?;
        }
        for (queue, kind, state) in take(&mut self.dirty_pairs) {
            let n = self.pairs[&(queue, kind)][usize::from(state)];
            db.prepare_cached("INSERT INTO counter VALUES (?1,?2,?3,?4) ON CONFLICT DO UPDATE SET n=?4")?
                .execute(params![queue, kind, state, n as i64])?;
        }
        Ok(())
    }

    /// The counters of one queue, as readers get them.
    pub fn show(&self, number: i64, name: Name) -> QueueStats {
        let queue = self.queues.get(&number).cloned().unwrap_or_default();
        QueueStats {
            name: Some(name),
            settings: queue.settings,
            by_state: queue.by_state,
            tickets: queue.tickets,
            served: queue.served,
        }
    }
}
