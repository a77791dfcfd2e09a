//! The counters of jobs.

use std::collections::BTreeMap;

use raincheck_core::State;
use rusqlite::{Connection, Result, params};

use crate::checkup::Invariant;
use crate::rules::forward;
use crate::sqlite::check::recount::{ROWS, Recount};
use crate::sqlite::check::stage::Look;

/// How many jobs of each queue and kind are in each state, and how many of each queue never started.
#[derive(Default)]
pub(crate) struct Counters {
    after: i64,
    kept: BTreeMap<(i64, i64, i64), i64>,
    counted: BTreeMap<(i64, i64, i64), i64>,
    kept_untouched: BTreeMap<i64, i64>,
    untouched: BTreeMap<i64, i64>,
}

impl Recount for Counters {
    const OF: &'static str = "jobs";

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
            let of = |stats: &BTreeMap<_, i64>| stats.get(pair).copied().unwrap_or(0);
            let (kept, counted) = (of(&self.kept), of(&self.counted));
            if kept != counted {
                let state = State::from_number(pair.2).map_or("in no known state", State::as_str);
                let subject = format!("{} of {}", name("kind", pair.1), name("queue", pair.0));
                look.page.found(Invariant::Counters, subject, format!("{state}: kept {kept}, counted {counted}"));
            }
        }
        let queues: std::collections::BTreeSet<_> = self.kept_untouched.keys().chain(self.untouched.keys()).collect();
        for queue in queues {
            let of = |stats: &BTreeMap<_, i64>| stats.get(queue).copied().unwrap_or(0);
            let (kept, counted) = (of(&self.kept_untouched), of(&self.untouched));
            if kept != counted {
                let detail = format!("never started: kept {kept}, counted {counted}");
                look.page.found(Invariant::Counters, format!("queue {}", name("queue", *queue)), detail);
            }
        }
        Ok(())
    }
}
