use std::collections::{BTreeMap, HashMap, HashSet};

use raincheck_core::{Name, QueueSettings, State};
use tokio_postgres::GenericClient;

use super::names::KnownNames;
use crate::postgres::error::PgError;
use crate::records::{KindStats, QueueStats};

/// The pseudo-states of the table of counters: tickets given out, and tickets served.
pub(crate) const TICKETS: usize = 7;
pub(crate) const SERVED: usize = 8;

/// Counts by state, then tickets and served.
pub(crate) type Counts = [i64; 9];

/// Counters and settings of all nodes together, as this node knows them: its own changes are in it once they are on
/// disk, those of other nodes once the writer looked again.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Settings and counts of each queue, from the tables `queue` and `counter`.
    pub queues: HashMap<Name, Queue>,
    /// Counts by queue and kind.
    pub pairs: HashMap<(Name, Name), Counts>,
    /// Jobs that wait in the whole store.
    pub waiting: i64,
    /// Where other nodes may have queued something since the last look.
    pub maybe_ready: HashSet<(Name, Name)>,
}

/// What is kept of one queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    /// What its row says.
    pub settings: QueueSettings,
    /// Of all its kinds together.
    pub counts: Counts,
}

impl Counters {
    pub async fn load(db: &impl GenericClient, names: &KnownNames, history: i64) -> Result<Counters, PgError> {
        let mut counters = Counters::default();
        let sums = "SELECT queue, kind, state, sum(n)::bigint FROM counter GROUP BY queue, kind, state";
        let (settings, sums) = futures_util::try_join!(
            db.query("SELECT id, name, paused, max_queued, concurrency FROM queue", &[]),
            db.query(sums, &[])
        )?;
        for row in &settings {
            let name = Name::new(row.try_get(1)?).map_err(|e| PgError::Unreadable(e.to_string()))?;
            names.queues.put(row.try_get(0)?, name.clone());
            let settings = settings_of(row, 2)?;
            counters.queues.insert(name, Queue { settings, counts: Counts::default() });
        }
        names.load_missing(db, &sums, (0, 1), history).await?;
        for row in &sums {
            let found = (names.queues.name(row.try_get(0)?), names.kinds.name(row.try_get(1)?));
            let (Some(queue), Some(kind)) = found else { continue };
            let state = usize::try_from(row.try_get::<_, i16>(2)?).unwrap_or_default().min(SERVED);
            let mut counts = Counts::default();
            counts[state] = row.try_get(3)?;
            counters.add(queue, kind, &counts);
        }
        Ok(counters)
    }

    /// Adds what a transaction changed.
    pub fn add(&mut self, queue: Name, kind: Name, counts: &Counts) {
        self.waiting += waiting(counts);
        sum(&mut self.queues.entry(queue.clone()).or_default().counts, counts);
        sum(self.pairs.entry((queue, kind)).or_default(), counts);
    }

    /// The statistics of one queue, as readers get them.
    pub fn queue(&self, name: &Name) -> Option<QueueStats> {
        self.queues.get(name).map(|queue| show(name, queue))
    }

    /// The statistics of every queue, by name.
    pub fn all_queues(&self) -> Vec<QueueStats> {
        let mut all: Vec<_> = self.queues.iter().map(|(name, queue)| show(name, queue)).collect();
        all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// The statistics of every kind, by name.
    pub fn all_kinds(&self) -> Vec<KindStats> {
        let mut all: BTreeMap<&Name, KindStats> = BTreeMap::new();
        for ((queue, kind), counts) in &self.pairs {
            let none = || KindStats { name: kind.clone(), by_state: [0; 7], queues: Vec::new() };
            let KindStats { by_state, queues, .. } = all.entry(kind).or_insert_with(none);
            for (all, n) in by_state.iter_mut().zip(counts) {
                *all += (*n).max(0).unsigned_abs();
            }
            if counts[..by_state.len()].iter().any(|n| *n > 0) {
                queues.push(queue.clone());
            }
        }
        all.values_mut().for_each(|kind| kind.queues.sort_unstable());
        all.into_values().collect()
    }
}

/// Reads the three columns of a queue's settings from `at` on.
pub(crate) fn settings_of(row: &tokio_postgres::Row, at: usize) -> Result<QueueSettings, PgError> {
    let concurrency: Option<i64> = row.try_get(at + 2)?;
    Ok(QueueSettings {
        paused: row.try_get(at)?,
        max_queued: row.try_get::<_, Option<i64>>(at + 1)?.map(i64::cast_unsigned),
        concurrency: concurrency.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
    })
}

/// How many of them wait.
pub(crate) fn waiting(counts: &Counts) -> i64 {
    counts[..State::Running as usize].iter().sum()
}

pub(crate) fn sum(all: &mut Counts, some: &Counts) {
    for (all, n) in all.iter_mut().zip(some) {
        *all += n;
    }
}

fn show(name: &Name, queue: &Queue) -> QueueStats {
    QueueStats {
        name: Some(name.clone()),
        settings: queue.settings.clone(),
        by_state: std::array::from_fn(|state| queue.counts[state].max(0).unsigned_abs()),
        tickets: queue.counts[TICKETS],
        served: queue.counts[SERVED],
    }
}
