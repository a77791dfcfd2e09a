//! Kept counters beside a recount, both of one moment.

use std::collections::BTreeMap;
use std::time::Instant;

use raincheck_core::State;
use rusqlite::{Connection, Result, params};

use crate::checkup::Invariant;
use crate::rules::forward;
use crate::sqlite::check::stage::{Look, Stage};

/// Rows counted between two looks at the clock.
pub(crate) const ROWS: usize = 4_096;

/// A recount under way. One transaction sees one moment; when the jobs are too many for one, the next goes on counting
/// only if nothing was written since, which SQLite's `data_version` tells.
#[derive(Default)]
pub(crate) struct Counters {
    version: Option<i64>,
    after: i64,
    kept: BTreeMap<(i64, i64, i64), i64>,
    counted: BTreeMap<(i64, i64, i64), i64>,
    kept_untouched: BTreeMap<i64, i64>,
    untouched: BTreeMap<i64, i64>,
}

impl Stage for Counters {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        if self.version.is_none() {
            self.begin(look.db)?;
        }
        if !is_same_moment(&mut self.version, look)? {
            return Ok(false);
        }
        let until = look.until.max(Instant::now() + look.throttle.whole);
        loop {
            let Some(count) = self.count(look.db)? else { return look.circle("jobs") };
            look.page.looked += count as u64;
            if count < ROWS {
                self.compare(look)?;
                return Ok(false);
            }
            if Instant::now() >= until {
                // Ends the piece, too: what was to be one moment is over.
                look.until = Instant::now();
                return Ok(true);
            }
        }
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Counters]
    }
}

/// Whether nothing was written since the transaction before this one; without one, that is so.
pub(crate) fn is_same_moment(version: &mut Option<i64>, look: &mut Look<'_>) -> Result<bool> {
    let now = look.db.query_row("PRAGMA data_version", [], |row| row.get(0))?;
    let is_same = version.replace(now).is_none_or(|before| before == now);
    if !is_same {
        let why = "it changed while it was counted; a backup can be judged";
        look.page.unjudged.push((Invariant::Counters, why.into()));
    }
    Ok(is_same)
}

impl Counters {
    fn begin(&mut self, db: &Connection) -> Result<()> {
        let mut kept = db.prepare("SELECT queue, kind, state, n FROM counter WHERE n<>0")?;
        let mut rows = kept.query([])?;
        while let Some(row) = rows.next()? {
            self.kept.insert((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?);
        }
        let mut queues = db.prepare("SELECT id, tickets - served FROM queue WHERE tickets<>served")?;
        let mut rows = queues.query([])?;
        while let Some(row) = rows.next()? {
            self.kept_untouched.insert(row.get(0)?, row.get(1)?);
        }
        Ok(())
    }

    /// Counts some; `None` when they come again.
    fn count(&mut self, db: &Connection) -> Result<Option<usize>> {
        let mut statement = db.prepare_cached(
            "SELECT no, queue, kind, state, attempt FROM job NOT INDEXED WHERE no>?1 ORDER BY no LIMIT ?2",
        )?;
        let mut rows = statement.query(params![self.after, ROWS as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            if !forward(&mut self.after, row.get(0)?) {
                return Ok(None);
            }
            let (queue, state): (i64, i64) = (row.get(1)?, row.get(3)?);
            *self.counted.entry((queue, row.get(2)?, state)).or_default() += 1;
            if state < State::Running as i64 && row.get::<_, i64>(4)? == 0 {
                *self.untouched.entry(queue).or_default() += 1;
            }
        }
        Ok(Some(count))
    }

    fn compare(&self, look: &mut Look<'_>) -> Result<()> {
        let name = |table: &str, id: i64| {
            let found = look.db.query_row(&format!("SELECT name FROM {table} WHERE id=?1"), [id], |row| row.get(0));
            found.unwrap_or_else(|_| format!("{table} number {id}"))
        };
        let pairs: std::collections::BTreeSet<_> = self.kept.keys().chain(self.counted.keys()).collect();
        for pair in pairs {
            let of = |figures: &BTreeMap<_, i64>| figures.get(pair).copied().unwrap_or(0);
            let (kept, counted) = (of(&self.kept), of(&self.counted));
            if kept != counted {
                let state = State::from_number(pair.2).map_or("in no known state", State::as_str);
                let subject = format!("{} of {}", name("kind", pair.1), name("queue", pair.0));
                look.page.found(Invariant::Counters, subject, format!("{state}: kept {kept}, counted {counted}"));
            }
        }
        let queues: std::collections::BTreeSet<_> = self.kept_untouched.keys().chain(self.untouched.keys()).collect();
        for queue in queues {
            let of = |figures: &BTreeMap<_, i64>| figures.get(queue).copied().unwrap_or(0);
            let (kept, counted) = (of(&self.kept_untouched), of(&self.untouched));
            if kept != counted {
                let detail = format!("never started: kept {kept}, counted {counted}");
                look.page.found(Invariant::Counters, format!("queue {}", name("queue", *queue)), detail);
            }
        }
        Ok(())
    }
}
