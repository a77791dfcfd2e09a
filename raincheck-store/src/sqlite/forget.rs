//! Forgets names that nothing refers to, when there is no room for another one: their bound is one of those in use.

use raincheck_core::{Millis, Name, limits};
use rusqlite::{Result, params};

use super::writer::Writer;

/// After a look that found nothing to forget, the next one comes so much later, milliseconds: a client may ask again and
/// again.
const PAUSE: Millis = 1_000;

/// A name that there may be no room for.
#[derive(Clone, Copy)]
enum Sort {
    Queue,
    Kind,
}

impl Sort {
    fn table(self) -> &'static str {
        match self {
            Sort::Queue => "queue",
            Sort::Kind => "kind",
        }
    }
}

impl Writer<'_> {
    /// The number of a queue, old or new; `None` when there is no room for a new one.
    pub(super) fn queue_number(&mut self, name: &Name) -> Result<Option<i64>> {
        let known = self.shared.tables.queue_number(name.as_str());
        if known.is_some() || !self.makes_room(Sort::Queue, limits::QUEUES)? {
            return Ok(known);
        }
        Ok(Some(self.shared.tables.queues.write().intern(name)))
    }

    /// The number of a kind, likewise.
    pub(super) fn kind_number(&mut self, name: &Name) -> Result<Option<i64>> {
        let known = self.shared.tables.kind_number(name.as_str());
        if known.is_some() || !self.makes_room(Sort::Kind, limits::KINDS)? {
            return Ok(known);
        }
        Ok(Some(self.shared.tables.kinds.write().intern(name)))
    }

    fn makes_room(&mut self, sort: Sort, most: usize) -> Result<bool> {
        let names = match sort {
            Sort::Queue => &self.shared.tables.queues,
            Sort::Kind => &self.shared.tables.kinds,
        };
        if names.read().len() < most {
            return Ok(true);
        }
        let ticks = self.shared.clock.ticks();
        if self.found_none.is_some_and(|at| ticks - at < PAUSE) {
            return Ok(false);
        }
        let unused = self.unused(sort)?;
        if unused.is_empty() {
            self.found_none = Some(ticks);
            return Ok(false);
        }
        let table = sort.table();
        for (number, name) in unused {
            self.db.prepare_cached(&format!("DELETE FROM {table} WHERE id=?1"))?.execute([number])?;
            self.db.prepare_cached(&format!("DELETE FROM counter WHERE {table}=?1"))?.execute([number])?;
            // Its number stays its own for ever.
            let last = "INSERT INTO meta VALUES ('last_' || ?1, ?2) \
                        ON CONFLICT (name) DO UPDATE SET value=max(value, excluded.value)";
            self.db.prepare_cached(last)?.execute(params![table, number])?;
            match sort {
                Sort::Queue => {
                    self.book.forget_queue(number);
                    self.shared.tables.queues.write().forget(number);
                    self.forgotten.push(name);
                }
                Sort::Kind => {
                    self.book.forget_kind(number);
                    self.shared.tables.kinds.write().forget(number);
                }
            }
        }
        self.forgot = true;
        Ok(true)
    }

    /// Names of no job, without settings or claims of their own.
    fn unused(&self, sort: Sort) -> Result<Vec<(i64, Name)>> {
        let tables = &self.shared.tables;
        let mut unused = Vec::new();
        match sort {
            Sort::Queue => {
                // Keys and equal jobs, see the migration: a purged job's key stands for it until it is buried.
                let mut claimed =
                    self.db.prepare_cached("SELECT 1 FROM claim WHERE scope IN (1, 2) AND queue=?1 LIMIT 1")?;
                for (number, name) in tables.queues.read().all() {
                    if self.book.is_idle_queue(number) && !claimed.exists([number])? {
                        unused.push((number, name.clone()));
                    }
                }
            }
            Sort::Kind => {
                let (used, caps) = (self.book.used_kinds(), self.shared.kind_caps.read());
                let idle = |number: i64| !used.contains(&number) && !caps.contains_key(&number);
                unused.extend(
                    tables.kinds.read().all().filter(|(n, _)| idle(*n)).map(|(number, name)| (number, name.clone())),
                );
            }
        }
        Ok(unused)
    }
}
