use std::collections::HashMap;
use std::sync::atomic::AtomicI64;

use parking_lot::RwLock;
use raincheck_core::{Name, NameFilter};
use tokio_postgres::{GenericClient, Row};

use crate::postgres::error::PgError;
use crate::postgres::history::epoch::CURRENT;

/// The names of queues and kinds that this node has met.
#[derive(Debug)]
pub(crate) struct KnownNames {
    pub queues: Names,
    pub kinds: Names,
    /// The last round in which names were forgotten that this node knows of.
    pub round: AtomicI64,
}

impl Default for KnownNames {
    fn default() -> Self {
        KnownNames { queues: Names::of("queue"), kinds: Names::of("kind"), round: AtomicI64::new(0) }
    }
}

impl KnownNames {
    /// Sees to it that the names behind the numbers in two columns of `rows` are known, in this history.
    pub async fn load_missing(
        &self,
        db: &impl GenericClient,
        rows: &[Row],
        (queue, kind): (usize, usize),
        history: i64,
    ) -> Result<(), PgError> {
        self.queues.load_missing(db, rows, queue, history).await?;
        self.kinds.load_missing(db, rows, kind, history).await
    }
}

/// Names of one table (`queue` or `kind`) and their numbers, as far as this node has met them. A number stands for one
/// name for as long as the history is the same (see [`crate::postgres::history`]), so what is known here is true; only
/// what is not may be asked for. Names that nothing refers to are forgotten, as `writer/unused_names.rs` says.
#[derive(Debug)]
pub(crate) struct Names {
    table: &'static str,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_name: HashMap<Name, i32>,
    by_number: HashMap<i32, Name>,
    /// Numbers of names that were forgotten lately: a reader may see the data as it was.
    fading: Vec<i32>,
}

impl Names {
    fn of(table: &'static str) -> Self {
        Names { table, known: RwLock::default() }
    }

    pub fn number(&self, name: &str) -> Option<i32> {
        self.known.read().by_name.get(name).copied()
    }

    pub fn name(&self, number: i32) -> Option<Name> {
        self.known.read().by_number.get(&number).cloned()
    }

    /// The numbers of those that a filter admits, of all names that `db` sees.
    pub async fn admitted(
        &self,
        db: &impl GenericClient,
        filter: &NameFilter,
        history: i64,
    ) -> Result<Vec<i32>, PgError> {
        // Another node may have made a name since; one that nobody used matches nothing.
        let is_unknown = |name: &Name| self.number(name.as_str()).is_none();
        if !filter.patterns.is_empty() || filter.names.iter().any(is_unknown) {
            self.load(db, history).await?;
        }
        if filter.patterns.is_empty() {
            return Ok(filter.names.iter().filter_map(|name| self.number(name.as_str())).collect());
        }
        let all: Vec<_> = self.known.read().by_name.iter().map(|(name, number)| (name.clone(), *number)).collect();
        Ok(all.into_iter().filter(|(name, _)| filter.admits(name)).map(|(_, number)| number).collect())
    }

    pub fn len(&self) -> usize {
        self.known.read().by_name.len()
    }

    /// Remembers a name that is on disk.
    pub fn put(&self, number: i32, name: Name) {
        let mut known = self.known.write();
        known.by_number.insert(number, name.clone());
        known.by_name.insert(name, number);
    }

    /// Reads them all, where they are those of this history: in another one a number may stand for another name.
    pub async fn load(&self, db: &impl GenericClient, history: i64) -> Result<(), PgError> {
        let rows = db.query(&format!("SELECT id, name, {CURRENT} FROM {}", self.table), &[]).await?;
        for row in &rows {
            if row.try_get::<_, i64>(2)? != history {
                return Err(PgError::OtherHistory);
            }
            self.take(row)?;
        }
        Ok(())
    }

    /// Forgets them all.
    pub fn clear(&self) {
        *self.known.write() = Known::default();
    }

    /// Remembers what the first two columns of a row say.
    pub fn take(&self, row: &Row) -> Result<(), PgError> {
        let name = Name::new(row.try_get(1)?).map_err(|e| PgError::Unreadable(e.to_string()))?;
        self.put(row.try_get(0)?, name);
        Ok(())
    }

    /// Forgets a name whose transaction was given up.
    pub fn forget(&self, number: i32) {
        let mut known = self.known.write();
        if let Some(name) = known.by_number.remove(&number) {
            known.by_name.remove(&name);
        }
    }

    /// Takes over all names there are: `rows` of numbers and names.
    pub fn replace(&self, rows: &[Row]) -> Result<(), PgError> {
        let mut known = self.known.write();
        let before = std::mem::take(&mut known.by_name);
        for faded in std::mem::take(&mut known.fading) {
            known.by_number.remove(&faded);
        }
        for row in rows {
            let name = Name::new(row.try_get(1)?).map_err(|e| PgError::Unreadable(e.to_string()))?;
            let number = row.try_get(0)?;
            known.by_number.insert(number, name.clone());
            known.by_name.insert(name, number);
        }
        known.fading =
            before.into_iter().filter(|(name, n)| known.by_name.get(name) != Some(n)).map(|it| it.1).collect();
        Ok(())
    }

    /// Sees to it that the names behind the numbers in a column are known: another node may have written them since.
    pub async fn load_missing(
        &self,
        db: &impl GenericClient,
        rows: &[Row],
        column: usize,
        history: i64,
    ) -> Result<(), PgError> {
        for row in rows {
            let number: Option<i32> = row.try_get(column)?;
            if number.is_some_and(|number| self.name(number).is_none()) {
                return self.load(db, history).await;
            }
        }
        Ok(())
    }
}
