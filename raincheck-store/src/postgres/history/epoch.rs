use tokio_postgres::Row;

use crate::postgres::error::PgError;
use crate::postgres::feed::order::Place;

/// The history of a transaction, in SQL: its first cursor, 0 of the first one.
pub(crate) const CURRENT: &str = "(SELECT max(first) FROM history)";

/// Where a history begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// Its first cursor, greater than any that was given out before, wherever that was.
    pub first: i64,
    /// The last transaction before it, and the cursor of the last event.
    pub before: Place,
}

impl Epoch {
    pub fn of(row: &Row) -> Result<Self, PgError> {
        let before = Place { pos: row.try_get(1)?, last: row.try_get(2)?, batch: 0 };
        Ok(Epoch { first: row.try_get(0)?, before })
    }
}
