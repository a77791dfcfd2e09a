//! Rows in memory with a transaction: what is written can be taken back until it is committed.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

/// A table of one open transaction.
#[derive(Debug)]
pub struct Table<K, V> {
    rows: BTreeMap<K, V>,
    /// What stood there before each write of the open transaction, oldest first.
    undo: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { rows: BTreeMap::new(), undo: Vec::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    /// The row as the open transaction sees it.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    /// The row as it stood before the open transaction.
    pub fn committed(&self, key: &K) -> Option<&V> {
        let first = self.undo.iter().find(|(written, _)| written == key);
        first.map_or_else(|| self.rows.get(key), |(_, before)| before.as_ref())
    }

    /// Writes a row, new or old.
    pub fn set(&mut self, key: K, row: V) {
        let before = self.rows.insert(key.clone(), row);
        self.undo.push((key, before));
    }

    /// Removes a row; answers it.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let before = self.rows.remove(key)?;
        self.undo.push((key.clone(), Some(before.clone())));
        Some(before)
    }

    /// All rows, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    /// Some rows, by key.
    pub fn range(&self, keys: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.range(keys)
    }

    /// Makes what was written stay.
    pub fn commit(&mut self) {
        self.undo.clear();
    }

    /// Takes back what was written since.
    pub fn rollback(&mut self) {
        for (key, before) in self.undo.drain(..).rev() {
            match before {
                Some(row) => drop(self.rows.insert(key, row)),
                None => drop(self.rows.remove(&key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_can_be_taken_back() {
        let mut table = Table::default();
        table.set(1, "a");
        table.commit();
        table.set(1, "b");
        table.set(2, "c");
        table.remove(&1);
        assert_eq!((table.get(&1), table.committed(&1), table.committed(&2)), (None, Some(&"a"), None));
        table.rollback();
        assert_eq!(table.iter().collect::<Vec<_>>(), [(&1, &"a")]);
    }
}
