use crate::sqlite::error::{Result, SqliteError};
use raincheck_core::interpreter::NamedObject;
use raincheck_core::{Name, Object, ObjectKind, Timestamp, limits};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(crate) const COLUMNS: &str = "kind, name, version, updated_at, body";

pub(crate) fn object(row: &Row<'_>) -> Result<Object> {
    Ok(Object {
        kind: ObjectKind::from_number(row.get(0)?).ok_or_else(|| SqliteError::unreadable("unknown kind of object"))?,
        name: Name::new(&row.get::<_, Box<str>>(1)?).map_err(|_| SqliteError::unreadable("not a name"))?,
        version: row.get(2)?,
        updated_at: Timestamp(row.get(3)?),
        body: row.get::<_, Vec<u8>>(4)?.into(),
    })
}

pub(crate) fn find(db: &Connection, kind: ObjectKind, name: &Name) -> Result<Option<Object>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM object WHERE kind=?1 AND name=?2"))?
        .query_row(params![kind as i64, name.as_str()], |row| Ok(object(row)))
        .optional()?
        .transpose()
}

/// At most `limit` of a kind, by name, behind `after`.
pub(crate) fn list(db: &Connection, kind: ObjectKind, after: Option<&Name>, limit: usize) -> Result<Vec<Object>> {
    let sql = format!("SELECT {COLUMNS} FROM object WHERE kind=?1 AND name>?2 ORDER BY name LIMIT ?3");
    let after = after.map_or("", Name::as_str);
    db.prepare_cached(&sql)?.query_and_then(params![kind as i64, after, limit as i64], object)?.collect()
}

/// What a command must know of a named object.
pub(crate) fn named(db: &Connection, kind: ObjectKind, name: &Name) -> Result<NamedObject> {
    let there = find(db, kind, name)?;
    let full = "SELECT EXISTS (SELECT 1 FROM object WHERE kind=?1 LIMIT 1 OFFSET ?2)";
    let is_full =
        || db.prepare_cached(full)?.query_row(params![kind as i64, limits::OBJECTS as i64 - 1], |row| row.get(0));
    Ok(NamedObject { has_room: there.is_some() || !is_full()?, object: there })
}

/// Makes or replaces it; the version before must be as the rule found it.
pub(crate) fn put(db: &Connection, replaced: Option<i64>, object: &Object) -> Result<()> {
    let Object { kind, name, version, updated_at, body } = object;
    let changed = match replaced {
        None => db
            .prepare_cached("INSERT INTO object (kind, name, version, updated_at, body) VALUES (?1,?2,?3,?4,?5)")?
            .execute(params![*kind as i64, name.as_str(), version, updated_at.0, &body[..]])?,
        Some(before) => db
            .prepare_cached(
                "UPDATE object SET version=?3, updated_at=?4, body=?5 WHERE kind=?1 AND name=?2 AND version=?6",
            )?
            .execute(params![*kind as i64, name.as_str(), version, updated_at.0, &body[..], before])?,
    };
    as_found(changed)
}

/// Deletes it; its version must be as the rule found it.
pub(crate) fn delete(db: &Connection, kind: ObjectKind, name: &Name, version: i64) -> Result<()> {
    let delete = "DELETE FROM object WHERE kind=?1 AND name=?2 AND version=?3";
    as_found(db.prepare_cached(delete)?.execute(params![kind as i64, name.as_str(), version])?)
}

fn as_found(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(SqliteError::refused("a named object is not as it was read")) }
}
