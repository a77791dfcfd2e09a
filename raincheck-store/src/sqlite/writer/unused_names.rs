//! Forgets names that nothing refers to, when there is no room for another one: their bound is one of those in use.

use std::collections::BTreeSet;

use raincheck_core::{Millis, Name, NewJob, limits};
use rusqlite::{Result, params};

use super::state::WriterState;

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

/// Names that are new with the jobs of one submit.
#[derive(Default)]
pub(super) struct NewNames<'j> {
    queues: BTreeSet<&'j Name>,
    kinds: BTreeSet<&'j Name>,
}

impl WriterState<'_> {
    /// Whether there is this queue, or room for it.
    pub(super) fn has_room(&mut self, queue: &Name) -> Result<bool> {
        let is_known = self.shared.names.queue_number(queue.as_str()).is_some();
        Ok(is_known || self.makes_room(Sort::Queue, 0, &[])?)
    }

    /// The number of the queue of one of the new jobs `all`, which is 0 for one that is not there yet: none has that. `None`
    /// when there is no room for its names beside those `names` that are new with others.
    pub(super) fn room_beside<'j>(
        &mut self,
        new: &'j NewJob,
        all: &[NewJob],
        names: &mut NewNames<'j>,
    ) -> Result<Option<i64>> {
        let queue = self.shared.names.queue_number(new.queue.as_str());
        if queue.is_none() && !names.queues.contains(&new.queue) {
            if !self.makes_room(Sort::Queue, names.queues.len(), all)? {
                return Ok(None);
            }
            names.queues.insert(&new.queue);
        }
        if self.shared.names.kind_number(new.kind.as_str()).is_none() && !names.kinds.contains(&new.kind) {
            if !self.makes_room(Sort::Kind, names.kinds.len(), all)? {
                return Ok(None);
            }
            names.kinds.insert(&new.kind);
        }
        Ok(Some(queue.unwrap_or_default()))
    }

    /// Makes room for a name beside so many that are new as well. The names of the new jobs `all` stay.
    fn makes_room(&mut self, sort: Sort, beside: usize, all: &[NewJob]) -> Result<bool> {
        let (names, most) = match sort {
            Sort::Queue => (&self.shared.names.queues, limits::QUEUES),
            Sort::Kind => (&self.shared.names.kinds, limits::KINDS),
        };
        if names.read().len() + beside < most {
            return Ok(true);
        }
        let ticks = self.shared.clock.ticks();
        if self.found_none.is_some_and(|at| ticks - at < PAUSE) {
            return Ok(false);
        }
        let unused = self.unused(sort, all)?;
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
                    self.counters.forget_queue(number);
                    self.shared.names.queues.write().forget(number);
                    self.forgotten.push(name);
                }
                Sort::Kind => {
                    self.counters.forget_kind(number);
                    self.shared.names.kinds.write().forget(number);
                }
            }
        }
        self.forgot = true;
        Ok(true)
    }

    /// Names of no job, new ones among them, without settings or claims of their own.
    fn unused(&self, sort: Sort, all: &[NewJob]) -> Result<Vec<(i64, Name)>> {
        let names = &self.shared.names;
        let mut unused = Vec::new();
        match sort {
            Sort::Queue => {
                // Keys and equal jobs, see the migration: a purged job's key stands for it until its tombstone is dropped.
                let mut claimed =
                    self.db.prepare_cached("SELECT 1 FROM claim WHERE scope IN (1, 2) AND queue=?1 LIMIT 1")?;
                for (number, name) in names.queues.read().all() {
                    let is_idle = self.counters.is_idle_queue(number) && all.iter().all(|new| new.queue != *name);
                    if is_idle && !claimed.exists([number])? {
                        unused.push((number, name.clone()));
                    }
                }
            }
            Sort::Kind => {
                let (used, caps) = (self.counters.used_kinds(), self.shared.kind_caps.read());
                let is_idle = |number: i64| !used.contains(&number) && !caps.contains_key(&number);
                for (number, name) in names.kinds.read().all() {
                    if is_idle(number) && all.iter().all(|new| new.kind != *name) {
                        unused.push((number, name.clone()));
                    }
                }
            }
        }
        Ok(unused)
    }
}
