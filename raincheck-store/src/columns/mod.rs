//! What the columns of a row are, once for every store: from one table of them come the names in every statement, what is
//! bound to it, and what is read from a row of its answer.

pub(crate) mod cell;
mod flags;
mod job;
pub(crate) mod number;
mod payload;
pub(crate) mod text;

use rusqlite::Statement;
use tokio_postgres::types::ToSql;

pub(crate) use cell::{Cell, Raw};
pub(crate) use flags::Flags;
pub(crate) use job::{Changing, Guard, Lasting, job};
pub(crate) use payload::{Asked, Kept, Reported, Shown, split};

/// One column of many rows.
pub(crate) type Array<'c> = Box<dyn ToSql + Sync + Send + 'c>;

/// Columns that stand one after the other.
pub(crate) trait Columns: Sized {
    /// How many there are.
    const COUNT: usize;
    /// Their names.
    const EACH: &'static [&'static str];
    /// Their names, for an `INSERT`.
    const NAMES: &'static str;
    /// What a `SELECT` asks for, in the same order.
    const SELECT: &'static str;
    /// SQLite: their places in an `INSERT`.
    const PLACES: &'static str;
    /// SQLite: their places in an `UPDATE`.
    const SETS: &'static str;
    /// Their types on PostgreSQL.
    const TYPES: &'static [&'static str];

    /// Binds them to the parameters from `first` on, counted from 1.
    fn bind(&self, first: usize, statement: &mut Statement<'_>) -> rusqlite::Result<()>;

    /// The same of many rows, column by column.
    fn arrays<'c>(rows: &'c [Self]) -> Vec<Array<'c>>;
}

/// Reads columns that stand one after the other.
pub(crate) trait ReadColumns<'r>: Sized {
    /// From the column `first` on, counted from 0.
    fn of_sqlite(row: &'r rusqlite::Row<'_>, first: usize) -> Result<Self, crate::sqlite::SqliteError>;

    /// The same on PostgreSQL.
    fn of_postgres(row: &'r tokio_postgres::Row, first: usize) -> Result<Self, crate::postgres::PgError>;
}

/// A statement for PostgreSQL that inserts rows which come as arrays, one for each column.
pub(crate) fn insert_arrays(table: &str, names: &[&str], types: &[&[&str]]) -> String {
    format!("INSERT INTO {table} ({}) SELECT * FROM {}", names.join(", "), unnest(types))
}

/// `unnest` of arrays of these types, from the first parameter on.
pub(crate) fn unnest(types: &[&[&str]]) -> String {
    let arrays = types.concat().into_iter().zip(1..).map(|(of, place)| format!("${place}::{of}[]"));
    format!("unnest({})", arrays.collect::<Vec<_>>().join(", "))
}

/// Arrays as parameters of a statement.
pub(crate) fn parameters<'c>(arrays: &'c [Array<'_>]) -> Vec<&'c (dyn ToSql + Sync)> {
    arrays.iter().map(|array| &**array as &(dyn ToSql + Sync)).collect()
}

/// A row of columns: a struct, and how each store asks for it, writes it and reads it. A column is what its name says, of
/// the table that goes by `as`, unless it says otherwise.
macro_rules! row {
    ($(#[$of:meta])* $vis:vis struct $name:ident as $alias:literal { $($columns:tt)+ }) => {
        $crate::columns::row! { @ ['r] [] $(#[$of])* $vis struct $name as $alias { $($columns)+ } }
    };
    ($(#[$of:meta])* $vis:vis struct $name:ident<$life:lifetime> as $alias:literal { $($columns:tt)+ }) => {
        $crate::columns::row! { @ [$life] [$life] $(#[$of])* $vis struct $name as $alias { $($columns)+ } }
    };
    (@ [$read:lifetime] [$($life:lifetime)?] $(#[$of:meta])* $vis:vis struct $name:ident as $alias:literal {
        $($(#[$about:meta])* $column:ident: $type:ty $(= $sql:expr)?,)+
    }) => {
        $(#[$of])*
        $vis struct $name $(<$life>)? { $($(#[$about])* pub $column: $type,)+ }

        impl $(<$life>)? $crate::columns::Columns for $name $(<$life>)? {
            const COUNT: usize = Self::EACH.len();
            const EACH: &'static [&'static str] = &[$(stringify!($column)),+];
            const NAMES: &'static str = $crate::columns::text::joined!(", ", [$(stringify!($column)),+]);
            const SELECT: &'static str =
                $crate::columns::text::joined!(", ", [$($crate::columns::row!(@sql $alias $column $($sql)?)),+]);
            const PLACES: &'static str =
                $crate::columns::text::joined!(", ", [$($crate::columns::row!(@place $column)),+]);
            const SETS: &'static str = $crate::columns::text::joined!(", ", [$(concat!(stringify!($column), "=?")),+]);
            const TYPES: &'static [&'static str] = &[$(<$type as $crate::columns::Cell>::TYPE),+];

            fn bind(&self, first: usize, statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<()> {
                let mut next = first;
                $(next += 1;
                statement.raw_bind_parameter(next - 1, $crate::columns::Cell::sqlite(&self.$column))?;)+
                Ok(())
            }

            fn arrays<'c>(rows: &'c [Self]) -> Vec<$crate::columns::Array<'c>> {
                vec![$(Box::new(
                    rows.iter().map(|row| $crate::columns::Cell::postgres(&row.$column)).collect::<Vec<_>>()
                )),+]
            }
        }

        impl<$read> $crate::columns::ReadColumns<$read> for $name $(<$life>)? {
            fn of_sqlite(
                row: &$read rusqlite::Row<'_>,
                first: usize,
            ) -> std::result::Result<Self, $crate::sqlite::SqliteError> {
                let mut next = first;
                $(next += 1;
                let $column = $crate::columns::cell::of_sqlite(row, next - 1, stringify!($column))?;)+
                Ok($name { $($column),+ })
            }

            fn of_postgres(
                row: &$read tokio_postgres::Row,
                first: usize,
            ) -> std::result::Result<Self, $crate::postgres::PgError> {
                let mut next = first;
                $(next += 1;
                let $column = $crate::columns::cell::of_postgres(row, next - 1, stringify!($column))?;)+
                Ok($name { $($column),+ })
            }
        }
    };
    (@sql $alias:literal $column:ident) => { concat!($alias, ".", stringify!($column)) };
    (@sql $alias:literal $column:ident $sql:expr) => { $sql };
    (@place $column:ident) => { "?" };
}

pub(crate) use {row, text::joined};

/// Names and types of the columns of a table, sorted, as a migration declares them.
#[cfg(test)]
pub(crate) fn declared<'m>(migration: &'m str, table: &str) -> Vec<(&'m str, &'m str)> {
    let (_, rest) = migration.split_once(&format!("CREATE TABLE {table} (\n")).unwrap();
    let lines = rest.lines().take_while(|line| line.starts_with("    ")).map(str::trim);
    let columns = lines.filter_map(|line| line.trim_end_matches(',').split_once(' '));
    let mut columns: Vec<_> = columns
        .filter(|(name, _)| !["PRIMARY", "--"].contains(name))
        .map(|(name, of)| (name, of.trim_end_matches(" NOT NULL").trim_end_matches(" PRIMARY KEY")))
        .collect();
    columns.sort_unstable();
    columns
}
