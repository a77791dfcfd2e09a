//! Counts that are kept, and what the feed takes, as readers get them.

use std::collections::{BTreeMap, BTreeSet};

use raincheck_core::{Name, Timestamp};
use rusqlite::{Connection, OptionalExtension, Result};

use super::meta::{FORGOTTEN_BYTES, number};
use super::names::KnownNames;
use crate::records::{FeedStats, KindStats};

/// Of every kind.
pub(crate) fn kinds(db: &Connection, names: &KnownNames) -> Result<Vec<KindStats>> {
    let mut found: BTreeMap<Name, ([u64; 7], BTreeSet<Name>)> = BTreeMap::new();
    let mut statement = db.prepare_cached("SELECT kind, state, n, queue FROM counter")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let Some(name) = names.kind_name(row.get(0)?) else { continue };
        let (state, n) = (row.get::<_, u32>(1)?, row.get::<_, i64>(2)?.max(0).unsigned_abs());
        let (by_state, queues) = found.entry(name).or_default();
        by_state[state.min(6) as usize] += n;
        queues.extend(if n > 0 { names.queue_name(row.get(3)?) } else { None });
    }
    let kind = |(name, (by_state, queues))| KindStats { name, by_state, queues: Vec::from_iter(queues) };
    Ok(found.into_iter().map(kind).collect())
}

pub(crate) fn feed(db: &Connection) -> Result<FeedStats> {
    let oldest = db.prepare_cached("SELECT at FROM event ORDER BY cursor LIMIT 1")?.query_row([], |row| row.get(0));
    Ok(FeedStats {
        oldest: oldest.optional()?.map(Timestamp),
        forgotten_bytes: number(db, FORGOTTEN_BYTES)?.max(0).unsigned_abs(),
    })
}
