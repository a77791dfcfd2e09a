//! Values as columns hold them.

use std::borrow::Cow;
use std::error::Error;

use raincheck_core::{Digest, JobId, JobNo, State, Timestamp};
use rusqlite::types::{FromSql as FromSqlite, FromSqlError, ValueRef};
use tokio_postgres::types::{FromSql, ToSql, Type};
use uuid::Uuid;

use super::Flags;
use crate::postgres::{PgError, escaped, plain};
use crate::sqlite;

/// A value that stands in a column.
pub(crate) trait Cell {
    /// The type of its column on PostgreSQL.
    const TYPE: &'static str;
    /// What SQLite is given.
    type Sqlite<'c>: rusqlite::ToSql
    where
        Self: 'c;
    /// What PostgreSQL is given.
    type Postgres<'c>: ToSql + Sync + Send
    where
        Self: 'c;

    fn sqlite(&self) -> Self::Sqlite<'_>;
    fn postgres(&self) -> Self::Postgres<'_>;
}

/// A value that is read from a column.
pub(crate) trait Read<'r>: Sized {
    /// What PostgreSQL gives.
    type Postgres: FromSql<'r>;

    fn of_sqlite(value: ValueRef<'r>) -> Result<Self, Unfit>;
    fn of_postgres(value: Self::Postgres) -> Result<Self, Unfit>;
}

/// What is wrong with the value of a column.
pub(crate) struct Unfit(&'static str);

impl From<FromSqlError> for Unfit {
    fn from(error: FromSqlError) -> Self {
        match error {
            FromSqlError::InvalidType => Unfit("is of another type"),
            FromSqlError::OutOfRange(_) => Unfit("is out of range"),
            _ => Unfit("cannot be read"),
        }
    }
}

/// Reads a column.
pub(crate) fn of_sqlite<'r, T: Read<'r>>(
    row: &'r rusqlite::Row<'_>,
    place: usize,
    column: &'static str,
) -> Result<T, sqlite::SqliteError> {
    T::of_sqlite(row.get_ref(place)?)
        .map_err(|Unfit(what)| sqlite::SqliteError::unreadable(format!("the column {column} {what}")))
}

/// The same on PostgreSQL.
pub(crate) fn of_postgres<'r, T: Read<'r>>(
    row: &'r tokio_postgres::Row,
    place: usize,
    column: &'static str,
) -> Result<T, PgError> {
    T::of_postgres(row.try_get(place)?)
        .map_err(|Unfit(what)| PgError::Unreadable(format!("the column {column} {what}")))
}

/// Values that are copied: what SQLite keeps and what PostgreSQL keeps of them, and back from there.
macro_rules! cells {
    ($($type:ty: $column:literal, $sqlite:ty, $postgres:ty,
       |$to:ident| $to_sqlite:expr, $to_postgres:expr,
       |$of:ident| $of_sqlite:expr, $of_postgres:expr;)+) => {$(
        impl Cell for $type {
            const TYPE: &'static str = $column;
            type Sqlite<'c> = $sqlite;
            type Postgres<'c> = $postgres;

            fn sqlite(&self) -> $sqlite {
                let $to = *self;
                $to_sqlite
            }

            fn postgres(&self) -> $postgres {
                let $to = *self;
                $to_postgres
            }
        }

        impl Read<'_> for $type {
            type Postgres = $postgres;

            fn of_sqlite(value: ValueRef<'_>) -> Result<Self, Unfit> {
                let $of: $sqlite = FromSqlite::column_result(value)?;
                $of_sqlite
            }

            fn of_postgres($of: $postgres) -> Result<Self, Unfit> {
                $of_postgres
            }
        }
    )+};
}

cells! {
    i64: "bigint", i64, i64, |n| n, n, |n| Ok(n), Ok(n);
    i32: "integer", i32, i32, |n| n, n, |n| Ok(n), Ok(n);
    f64: "double precision", f64, f64, |n| n, n, |n| Ok(n), Ok(n);
    bool: "boolean", bool, bool, |is| is, is, |is| Ok(is), Ok(is);
    Flags: "smallint", i16, i16, |flags| flags.0, flags.0, |n| Ok(Flags(n)), Ok(Flags(n));
    // An `integer` keeps the bits of a count.
    u32: "integer", u32, i32, |n| n, n.cast_signed(), |n| Ok(n), Ok(n.cast_unsigned());
    JobNo: "bigint", i64, i64, |no| no.0, no.0, |n| Ok(JobNo(n)), Ok(JobNo(n));
    Timestamp: "bigint", i64, i64, |at| at.0, at.0, |n| Ok(Timestamp(n)), Ok(Timestamp(n));
    State: "smallint", i64, i16, |state| state as i64, state as i16, |n| state(n), state(n.into());
    JobId: "uuid", [u8; 16], Uuid, |id| id.0.into_bytes(), id.0, |id| Ok(JobId(Uuid::from_bytes(id))), Ok(JobId(id));
}

fn state(number: i64) -> Result<State, Unfit> {
    State::from_number(number).ok_or(Unfit("is no state"))
}

impl Cell for Digest {
    const TYPE: &'static str = "bytea";
    type Sqlite<'c> = Digest;
    type Postgres<'c> = &'c [u8];

    fn sqlite(&self) -> Digest {
        *self
    }

    fn postgres(&self) -> &[u8] {
        self
    }
}

impl<'r> Read<'r> for Digest {
    type Postgres = &'r [u8];

    fn of_sqlite(value: ValueRef<'r>) -> Result<Self, Unfit> {
        Ok(FromSqlite::column_result(value)?)
    }

    fn of_postgres(value: &'r [u8]) -> Result<Self, Unfit> {
        value.try_into().map_err(|_| Unfit("has another length"))
    }
}

impl Cell for &[u8] {
    const TYPE: &'static str = "bytea";
    type Sqlite<'c>
        = &'c [u8]
    where
        Self: 'c;
    type Postgres<'c>
        = &'c [u8]
    where
        Self: 'c;

    fn sqlite(&self) -> &[u8] {
        self
    }

    fn postgres(&self) -> &[u8] {
        self
    }
}

impl<'r> Read<'r> for &'r [u8] {
    type Postgres = &'r [u8];

    fn of_sqlite(value: ValueRef<'r>) -> Result<Self, Unfit> {
        Ok(value.as_blob()?)
    }

    fn of_postgres(value: &'r [u8]) -> Result<Self, Unfit> {
        Ok(value)
    }
}

/// A text that somebody outside may have chosen.
impl Cell for Cow<'_, str> {
    const TYPE: &'static str = "text";
    type Sqlite<'c>
        = &'c str
    where
        Self: 'c;
    type Postgres<'c>
        = Cow<'c, str>
    where
        Self: 'c;

    fn sqlite(&self) -> &str {
        self
    }

    fn postgres(&self) -> Cow<'_, str> {
        escaped(self)
    }
}

impl<'r> Read<'r> for Cow<'r, str> {
    type Postgres = &'r str;

    fn of_sqlite(value: ValueRef<'r>) -> Result<Self, Unfit> {
        Ok(value.as_str()?.into())
    }

    fn of_postgres(value: &'r str) -> Result<Self, Unfit> {
        Ok(if value.contains('\u{1}') { Cow::Owned(plain(value).into_string()) } else { Cow::Borrowed(value) })
    }
}

impl<T: Cell> Cell for Option<T> {
    const TYPE: &'static str = T::TYPE;
    type Sqlite<'c>
        = Option<T::Sqlite<'c>>
    where
        Self: 'c;
    type Postgres<'c>
        = Option<T::Postgres<'c>>
    where
        Self: 'c;

    fn sqlite(&self) -> Self::Sqlite<'_> {
        self.as_ref().map(T::sqlite)
    }

    fn postgres(&self) -> Self::Postgres<'_> {
        self.as_ref().map(T::postgres)
    }
}

impl<'r, T: Read<'r>> Read<'r> for Option<T> {
    type Postgres = Option<T::Postgres>;

    fn of_sqlite(value: ValueRef<'r>) -> Result<Self, Unfit> {
        match value {
            ValueRef::Null => Ok(None),
            value => T::of_sqlite(value).map(Some),
        }
    }

    fn of_postgres(value: Self::Postgres) -> Result<Self, Unfit> {
        value.map(T::of_postgres).transpose()
    }
}

/// A number as it lies there, whatever it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw(pub i64);

impl Cell for Raw {
    const TYPE: &'static str = i64::TYPE;
    type Sqlite<'c> = i64;
    type Postgres<'c> = i64;

    fn sqlite(&self) -> i64 {
        self.0
    }

    fn postgres(&self) -> i64 {
        self.0
    }
}

impl Read<'_> for Raw {
    type Postgres = Raw;

    fn of_sqlite(value: ValueRef<'_>) -> Result<Self, Unfit> {
        i64::of_sqlite(value).map(Raw)
    }

    fn of_postgres(value: Raw) -> Result<Self, Unfit> {
        Ok(value)
    }
}

impl FromSql<'_> for Raw {
    fn from_sql(kind: &Type, bytes: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Raw(match *kind {
            Type::INT2 => i16::from_sql(kind, bytes)?.into(),
            Type::INT4 => i32::from_sql(kind, bytes)?.into(),
            _ => i64::from_sql(kind, bytes)?,
        }))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT2 | Type::INT4 | Type::INT8)
    }
}
