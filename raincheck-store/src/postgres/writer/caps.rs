//! How many jobs of a queue or a kind may run at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use futures_util::try_join;
use raincheck_core::Name;
use raincheck_core::interpreter::Room;

use super::batch::Batch;
use crate::columns::number::RUNNING;
use crate::postgres::connection::db::Parameters;
use crate::postgres::error::PgError;
use crate::postgres::tables::counters;

/// A queue with a cap is locked while jobs are taken from it, so that no two nodes fill the same place.
const LOCK_QUEUES: &str =
    "SELECT id, name, paused, max_queued, concurrency FROM queue WHERE id = ANY($1) ORDER BY id FOR UPDATE";
const LOCK_KINDS: &str = "SELECT id FROM kind WHERE id = ANY($1) ORDER BY id FOR UPDATE";
static RUN_IN_QUEUES: LazyLock<String> = LazyLock::new(|| run_of("queue"));
static RUN_OF_KINDS: LazyLock<String> = LazyLock::new(|| run_of("kind"));

fn run_of(column: &str) -> String {
    format!(
        "SELECT {column}, sum(n)::bigint FROM counter WHERE {column} = ANY($1) AND state = {RUNNING} GROUP BY {column}"
    )
}

/// A queue and a kind.
pub(crate) type Pair = (Name, Name);

impl Batch<'_> {
    /// How many more may run where that is capped, counted while nobody else can fill the place.
    pub(crate) async fn room(&mut self, pairs: &BTreeMap<Pair, u64>) -> Result<Room, PgError> {
        let mut room = Room::default();
        let capped = |name: &&Name| self.settings(name).concurrency.is_some();
        let mut queues: Vec<i32> = pairs
            .keys()
            .map(|(queue, _)| queue)
            .filter(capped)
            .filter_map(|name| self.shared.names.queues.number(name.as_str()))
            .collect();
        queues.dedup();
        let mut kinds: BTreeMap<i32, (Name, u32)> = BTreeMap::new();
        for (_, kind) in pairs.keys() {
            let cap = self.shared.kind_caps.read().get(kind).copied();
            if let Some((cap, number)) = cap.zip(self.shared.names.kinds.number(kind.as_str())) {
                kinds.insert(number, (kind.clone(), cap));
            }
        }
        if queues.is_empty() && kinds.is_empty() {
            return Ok(room);
        }
        // What is counted are rows.
        if self.is_pending() {
            self.flush(false).await?;
        }
        let kind_numbers: Vec<i32> = kinds.keys().copied().collect();
        // One after the other: what is counted is counted under the locks.
        let (of_queues, of_the_kinds): (Parameters<'_>, Parameters<'_>) = (&[&queues], &[&kind_numbers]);
        let (locked, _) = try_join!(self.db.query(LOCK_QUEUES, of_queues), self.db.query(LOCK_KINDS, of_the_kinds))?;
        let (in_queues, of_kinds) =
            try_join!(self.db.query(&RUN_IN_QUEUES, of_queues), self.db.query(&RUN_OF_KINDS, of_the_kinds))?;
        let sums = |rows: &[tokio_postgres::Row]| {
            rows.iter()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
                .collect::<Result<HashMap<i32, i64>, PgError>>()
        };
        let (in_queues, of_kinds) = (sums(&in_queues)?, sums(&of_kinds)?);
        let count = |running: Option<&i64>| running.map_or(0, |n| n.max(&0).unsigned_abs());
        for row in &locked {
            let number = row.try_get(0)?;
            let Some(name) = self.shared.names.queues.name(number) else { continue };
            let settings = counters::settings_of(row, 2)?;
            if let Some(cap) = settings.concurrency {
                room.cap_queue(name.clone(), cap, count(in_queues.get(&number)));
            }
            self.settings.insert(name, settings);
        }
        for (number, (kind, cap)) in kinds {
            room.cap_kind(kind, cap, count(of_kinds.get(&number)));
        }
        Ok(room)
    }
}
