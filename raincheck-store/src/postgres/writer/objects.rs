//! Named objects: read for the rules in the transaction, written with it.

use std::collections::BTreeSet;

use futures_util::try_join;
use raincheck_core::{Object, limits};
use tokio_postgres::Row;

use super::batch::Batch;
use super::overlay::{KnownObject, ObjectKey};
use crate::postgres::connection::db::Parameters;
use crate::postgres::error::PgError;
use crate::postgres::tables::rows;

const LOCK: &str = "SELECT o.kind, o.name, o.version, o.updated_at, o.body \
    FROM unnest($1::smallint[], $2::text[]) AS u (kind, name) \
    JOIN object o ON o.kind = u.kind AND o.name = u.name ORDER BY 1, 2 FOR UPDATE OF o";
/// Several nodes at once may go beyond it by a few.
const FULL: &str = "SELECT u.kind, EXISTS (SELECT FROM object o WHERE o.kind = u.kind OFFSET $2) \
    FROM unnest($1::smallint[]) AS u (kind)";
const INSERT: &str = "INSERT INTO object (kind, name, version, updated_at, body) \
    SELECT * FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[]) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE object o SET version = u.version, updated_at = u.updated_at, body = u.body \
    FROM unnest($1::smallint[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[]) \
    AS u (kind, name, version, updated_at, body, before) \
    WHERE o.kind = u.kind AND o.name = u.name AND o.version = u.before";
const DELETE: &str = "DELETE FROM object o USING unnest($1::smallint[], $2::text[], $3::bigint[]) AS u (kind, name, before) \
    WHERE o.kind = u.kind AND o.name = u.name AND o.version = u.before";

impl Batch<'_> {
    /// Looks up named objects, and whether there may be more.
    pub(crate) async fn ask_objects(&self, wanted: &BTreeSet<ObjectKey>) -> Result<(Vec<Row>, Vec<Row>), PgError> {
        if wanted.is_empty() {
            return Ok(Default::default());
        }
        let (kinds, names): (Vec<i16>, Vec<&str>) =
            wanted.iter().map(|(kind, name)| (*kind as i16, name.as_str())).unzip();
        let of: BTreeSet<i16> = kinds.iter().copied().collect();
        let of: Vec<i16> = of.into_iter().collect();
        let most = limits::OBJECTS as i64 - 1;
        let (these, bound): (Parameters<'_>, Parameters<'_>) = (&[&kinds, &names], &[&of, &most]);
        try_join!(self.db.query(LOCK, these), self.db.query(FULL, bound))
    }

    /// Takes over what was found; what was not is known not to be there.
    pub(crate) fn absorb_objects(
        &mut self,
        wanted: BTreeSet<ObjectKey>,
        (found, full): &(Vec<Row>, Vec<Row>),
    ) -> Result<(), PgError> {
        self.objects.known.extend(wanted.into_iter().map(|key| (key, KnownObject::default())));
        for row in found {
            let object = rows::object(row)?;
            let kept = KnownObject { row: Some(object.version), object: Some(object.clone()) };
            self.objects.known.insert((object.kind, object.name), kept);
        }
        for row in full {
            if row.try_get(1)? {
                self.objects.full.insert(rows::object_kind(row)?);
            }
        }
        Ok(())
    }

    pub(crate) async fn write_objects(&self) -> Result<(), PgError> {
        let dirty = || self.objects.known.iter().filter(|(_, kept)| kept.is_dirty());
        let new: Vec<&Object> =
            dirty().filter(|(_, kept)| kept.row.is_none()).filter_map(|(_, kept)| kept.object.as_ref()).collect();
        let (changed, before): (Vec<&Object>, Vec<i64>) =
            dirty().filter_map(|(_, kept)| kept.object.as_ref().zip(kept.row)).unzip();
        let gone: Vec<(&ObjectKey, i64)> = dirty()
            .filter(|(_, kept)| kept.object.is_none())
            .filter_map(|(key, kept)| kept.row.map(|row| (key, row)))
            .collect();
        if !new.is_empty() {
            let (kinds, names, versions, times, bodies) = columns(&new);
            as_many(self.db.execute(INSERT, &[&kinds, &names, &versions, &times, &bodies]).await?, new.len())?;
        }
        if !changed.is_empty() {
            let (kinds, names, versions, times, bodies) = columns(&changed);
            let written = self.db.execute(UPDATE, &[&kinds, &names, &versions, &times, &bodies, &before]).await?;
            as_many(written, changed.len())?;
        }
        if !gone.is_empty() {
            let kinds: Vec<i16> = gone.iter().map(|((kind, _), _)| *kind as i16).collect();
            let names: Vec<&str> = gone.iter().map(|((_, name), _)| name.as_str()).collect();
            let before: Vec<i64> = gone.iter().map(|(_, before)| *before).collect();
            as_many(self.db.execute(DELETE, &[&kinds, &names, &before]).await?, gone.len())?;
        }
        Ok(())
    }
}

/// A named object that nobody had looked at is made by another node at the same time: the transaction begins anew.
fn as_many(written: u64, expected: usize) -> Result<(), PgError> {
    if written == expected as u64 { Ok(()) } else { Err(PgError::Again("a named object was made elsewhere")) }
}

type Columns<'o> = (Vec<i16>, Vec<&'o str>, Vec<i64>, Vec<i64>, Vec<&'o [u8]>);

fn columns<'o>(objects: &[&'o Object]) -> Columns<'o> {
    (
        objects.iter().map(|object| object.kind as i16).collect(),
        objects.iter().map(|object| object.name.as_str()).collect(),
        objects.iter().map(|object| object.version).collect(),
        objects.iter().map(|object| object.updated_at.0).collect(),
        objects.iter().map(|object| &object.body[..]).collect(),
    )
}
