use std::collections::BTreeMap;

use raincheck_core::Name;
use rusqlite::{Connection, Result};

/// Names of one table (`queue` or `kind`) and their numbers. Numbers are never given to another name, even when
/// the transaction that made them was rolled back, so readers may look them up at any time. There are few, so that a tree
/// is quicker than a hash.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_name: BTreeMap<Name, i64>,
    by_number: BTreeMap<i64, Name>,
    next: i64,
}

impl Names {
    pub fn load(&mut self, db: &Connection, table: &str) -> Result<()> {
        let mut statement = db.prepare(&format!("SELECT id, name FROM {table}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let text: String = row.get(1)?;
            let name = Name::new(&text).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
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

    /// The number of a name, old or new.
    pub fn intern(&mut self, name: &Name) -> i64 {
        if let Some(number) = self.number(name.as_str()) {
            return number;
        }
        self.put(self.next.max(1), name.clone());
        self.next - 1
    }

    fn put(&mut self, number: i64, name: Name) {
        self.next = self.next.max(number + 1);
        self.by_number.insert(number, name.clone());
        self.by_name.insert(name, number);
    }
}
