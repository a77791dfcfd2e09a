use raincheck_core::{Name, State, limits::LINE_KINDS};
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::names::KnownNames;
use crate::records::KindLine;

/// The ready jobs of a queue by kind: two rows of each line are looked at, however long it is.
pub(crate) fn of(db: &Connection, names: &KnownNames, queue: &Name) -> Result<Vec<KindLine>> {
    let Some(queue) = names.queue_number(queue.as_str()) else { return Ok(Vec::new()) };
    let mut kinds = db.prepare_cached("SELECT kind, n FROM counter WHERE queue=?1 AND state=?2 AND n > 0 LIMIT ?3")?;
    let kinds = kinds.query_map(params![queue, State::Queued as i64, LINE_KINDS as i64], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    let kinds = kinds.collect::<Result<Vec<_>>>()?;
    let [mut first, mut last] = [
        db.prepare_cached("SELECT ticket FROM job WHERE queue=?1 AND kind=?2 AND state=1 ORDER BY rank, no LIMIT 1")?,
        db.prepare_cached(
            "SELECT ticket FROM job WHERE queue=?1 AND kind=?2 AND state=1 ORDER BY rank DESC, no DESC LIMIT 1",
        )?,
    ];
    let mut lines = Vec::with_capacity(kinds.len());
    for (number, ready) in kinds {
        let Some(kind) = names.kind_name(number) else { continue };
        let ticket = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let one = first.query_row(params![queue, number], ticket).optional()?;
        let other = last.query_row(params![queue, number], ticket).optional()?;
        // They may have been leased since the count was read.
        let Some((one, other)) = one.zip(other) else { continue };
        lines.push(KindLine { kind, ready: ready.max(0).unsigned_abs(), tickets: (one.min(other), one.max(other)) });
    }
    Ok(lines)
}
