use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::sqlite::error::{Result, SqliteError};
use parking_lot::RwLock;
use raincheck_core::{Name, NameFilter};
use rusqlite::{Connection, OptionalExtension};

/// Longer than any look at the data as it was takes.
const READERS_WITHIN: Duration = Duration::from_secs(60);

/// The names readers and the writer share.
#[derive(Debug, Default)]
pub(crate) struct KnownNames {
    pub queues: RwLock<Names>,
    pub kinds: RwLock<Names>,
}

impl KnownNames {
    pub fn load(db: &Connection) -> Result<Self> {
        let names = KnownNames::default();
        names.queues.write().load(db, "queue")?;
        names.kinds.write().load(db, "kind")?;
        Ok(names)
    }

    /// Takes over again what is written: names that were forgotten by what is taken back are there again, those that were
    /// new are not. Kinds with a cap stay, written or not.
    pub fn reload(&self, db: &Connection, caps: &HashMap<i64, u32>) -> Result<()> {
        let (mut queues, mut kinds) = (self.queues.write(), self.kinds.write());
        queues.keep(|_| false);
        kinds.keep(|number| caps.contains_key(&number));
        queues.load(db, "queue")?;
        kinds.load(db, "kind")
    }

    /// The numbers of a queue and a kind, old or new.
    pub fn numbers(&self, queue: &Name, kind: &Name) -> (i64, i64) {
        let queue = self.queue_number(queue.as_str()).unwrap_or_else(|| self.queues.write().intern(queue));
        let kind = self.kind_number(kind.as_str()).unwrap_or_else(|| self.kinds.write().intern(kind));
        (queue, kind)
    }

    pub fn queue_name(&self, number: i64) -> Option<Name> {
        self.queues.read().name(number)
    }

    pub fn kind_name(&self, number: i64) -> Option<Name> {
        self.kinds.read().name(number)
    }

    pub fn queue_number(&self, name: &str) -> Option<i64> {
        self.queues.read().number(name)
    }

    pub fn kind_number(&self, name: &str) -> Option<i64> {
        self.kinds.read().number(name)
    }
}

/// Names of one table (`queue` or `kind`) and their numbers. Numbers are never given to another name, even when
/// the transaction that made them was rolled back or the name was forgotten, so readers may look them up at any time.
/// There are few, so that a tree is quicker than a hash.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_name: BTreeMap<Name, i64>,
    by_number: BTreeMap<i64, Name>,
    /// Numbers of forgotten names that a reader may still meet, and since when.
    fading: VecDeque<(Instant, i64)>,
    next: i64,
}

impl Names {
    pub fn load(&mut self, db: &Connection, table: &str) -> Result<()> {
        let last = "SELECT value FROM meta WHERE name='last_' || ?1";
        let forgotten: Option<i64> = db.query_row(last, [table], |row| row.get(0)).optional()?;
        self.next = self.next.max(forgotten.unwrap_or(0) + 1);
        let mut statement = db.prepare(&format!("SELECT id, name FROM {table}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(1)?;
            let name = Name::new(&text).map_err(|e| SqliteError::unreadable(format!("the name {text:?} {e}")))?;
            self.put(row.get(0)?, name);
        }
        Ok(())
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        self.by_name.get(name).copied()
    }

    pub fn name(&self, number: i64) -> Option<Name> {
        self.by_number.get(&number).cloned()
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Knows no other names than these, until more are read.
    pub fn keep(&mut self, keep: impl Fn(i64) -> bool) {
        self.by_name.retain(|_, number| keep(*number));
    }

    /// Every name there is.
    pub fn all(&self) -> impl Iterator<Item = (i64, &Name)> {
        self.by_name.iter().map(|(name, number)| (*number, name))
    }

    /// The numbers of those that a filter admits. They are held against it when the lock is given back: the writer makes
    /// names under it.
    pub fn admitted(names: &RwLock<Self>, filter: &NameFilter) -> Vec<i64> {
        if filter.patterns.is_empty() {
            let names = names.read();
            return filter.names.iter().filter_map(|name| names.number(name.as_str())).collect();
        }
        let all: Vec<_> = names.read().all().map(|(number, name)| (number, name.clone())).collect();
        all.into_iter().filter(|(_, name)| filter.admits(name)).map(|(number, _)| number).collect()
    }

    /// Forgets a name. Its number still leads there for a while: a reader may see the data as it was.
    pub fn forget(&mut self, number: i64) {
        let now = Instant::now();
        while let Some((since, faded)) = self.fading.pop_front() {
            if now.duration_since(since) < READERS_WITHIN {
                self.fading.push_front((since, faded));
                break;
            }
            self.by_number.remove(&faded);
        }
        if let Some(name) = self.by_number.get(&number)
            && self.by_name.get(name) == Some(&number)
        {
            self.by_name.remove(name);
            self.fading.push_back((now, number));
        }
    }

    /// The number of a name, old or new.
    pub fn intern(&mut self, name: &Name) -> i64 {
        if let Some(number) = self.number(name.as_str()) {
            return number;
        }
        self.put(self.next.max(1), name.clone());
        self.next - 1
    }

    fn put(&mut self, number: i64, name: Name) {
        self.fading.retain(|(_, fading)| *fading != number);
        self.next = self.next.max(number + 1);
        self.by_number.insert(number, name.clone());
        self.by_name.insert(name, number);
    }
}
