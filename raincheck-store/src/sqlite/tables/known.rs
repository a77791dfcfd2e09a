use std::collections::HashMap;

use parking_lot::RwLock;
use raincheck_core::Name;
use rusqlite::Connection;

use super::names::Names;
use crate::sqlite::error::Result;

/// The names readers and the writer share.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub queues: RwLock<Names>,
    pub kinds: RwLock<Names>,
}

impl Tables {
    pub fn load(db: &Connection) -> Result<Self> {
        let tables = Tables::default();
        tables.queues.write().load(db, "queue")?;
        tables.kinds.write().load(db, "kind")?;
        Ok(tables)
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
