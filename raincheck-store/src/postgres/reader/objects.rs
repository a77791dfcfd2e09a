use raincheck_core::{Name, Object, ObjectKind};

use super::query;
use crate::postgres::connection::pool::Object as Pooled;
use crate::postgres::error::PgError;
use crate::postgres::tables::rows;

const FIND: &str = "SELECT kind, name, version, updated_at, body FROM object WHERE kind = $1 AND name = $2";
const LIST: &str = "SELECT kind, name, version, updated_at, body FROM object WHERE kind = $1 AND name > $2 \
    ORDER BY name LIMIT $3";

/// One of them, as it is on disk.
pub(crate) async fn find(db: &Pooled, kind: ObjectKind, name: &Name) -> Result<Option<Object>, PgError> {
    let found = query::row(db, FIND, &[&(kind as i16), &name.as_str()]).await?;
    found.map(|row| rows::object(&row)).transpose()
}

/// At most `limit` of a kind, by name, behind `after`.
pub(crate) async fn list(
    db: &Pooled,
    kind: ObjectKind,
    after: Option<&Name>,
    limit: usize,
) -> Result<Vec<Object>, PgError> {
    let (after, limit) = (after.map_or("", Name::as_str), i64::try_from(limit).unwrap_or(i64::MAX));
    let found = query::rows(db, LIST, &[&(kind as i16), &after, &limit]).await?;
    found.iter().map(rows::object).collect()
}
