//! Lines of ready jobs, one for each kind of a queue, and who stands at their heads.

use raincheck_core::decide::ready_at;
use raincheck_core::{Name, State, Timestamp, limits};
use rusqlite::{Connection, Result, params};

use super::names::KnownNames;
use crate::records::earliest;

/// Of each queue since when the one at the head of its lines has been ready that is there for the longest.
pub(crate) fn oldest(db: &Connection, names: &KnownNames) -> Result<Vec<(Name, Timestamp)>> {
    let mut lines = db.prepare_cached("SELECT queue, kind FROM counter WHERE state=?1 AND n > 0")?;
    let lines = lines.query_map([State::Queued as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let lines = lines.collect::<Result<Vec<(i64, i64)>>>()?;
    let mut head = db.prepare_cached(
        "SELECT run_at, created_at FROM job WHERE queue=?1 AND kind=?2 AND state=1 ORDER BY rank, no LIMIT ?3",
    )?;
    let mut ready = Vec::new();
    for (queue, kind) in lines {
        let Some(name) = names.queue_name(queue) else { continue };
        let mut rows = head.query(params![queue, kind, limits::HEAD_OF_LINE as i64])?;
        while let Some(row) = rows.next()? {
            ready.push((name.clone(), ready_at(Timestamp(row.get(0)?), Timestamp(row.get(1)?))));
        }
    }
    Ok(earliest(ready))
}
