//! Jobs and their payloads as readers get them.

use std::sync::LazyLock;

use raincheck_core::interpreter::Claim;
use raincheck_core::{ClaimScope, Content, Digest, JobId, JobNo};
use rusqlite::{Connection, OptionalExtension, Row};

use super::claims::{self, Place};
use super::names::KnownNames;
use super::rows;
use crate::records::{Found, Record};
use crate::sqlite::error;

static RECORD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, {}, {} FROM job j JOIN spec s ON s.no=j.no LEFT JOIN report p ON p.no=j.no \
         LEFT JOIN result r ON r.no=j.no WHERE j.no=?1",
        rows::JOB,
        rows::SPEC,
        rows::REST
    )
});

pub(crate) fn record(db: &Connection, names: &KnownNames, no: JobNo) -> error::Result<Option<Box<Record>>> {
    let read = |row: &Row<'_>| Ok(rows::record(row, names).map(Box::new));
    db.prepare_cached(&RECORD)?.query_row([no.0], read).optional()?.transpose()
}

/// What `read` finds of the job of a public id; `id_of` tells whose it is.
pub(crate) fn find<T>(
    db: &Connection,
    id: JobId,
    read: impl Fn(JobNo) -> error::Result<Option<T>>,
    id_of: impl Fn(&T) -> JobId,
) -> error::Result<Found<T>> {
    // An id of our own making says where its job is; only what is not there may be a chosen id.
    if let Some((no, _)) = id.parts() {
        match read(no)? {
            Some(found) if id_of(&found) == id => return Ok(Found::Here(found)),
            None if claims::tombstone(db, no)? == Some(id) => return Ok(Found::Purged(no)),
            _ => {}
        }
    }
    let Some(Claim { no, .. }) = claims::find(db, Place::of(ClaimScope::Id, 0), id.0.as_bytes())? else {
        return Ok(Found::Unknown);
    };
    Ok(read(no)?.map_or(Found::Purged(no), Found::Here))
}

/// A payload row: input or result.
pub(crate) fn content(db: &Connection, sql: &str, no: JobNo) -> rusqlite::Result<Option<Content>> {
    db.prepare_cached(sql)?
        .query_row([no.0], |row| {
            Ok(Content {
                payload: rows::payload(row.get(2)?, row.get(3)?, row.get(4)?),
                content_type: row.get(0)?,
                filename: row.get(1)?,
                digest: row.get::<_, Option<Digest>>(5)?.unwrap_or_default(),
            })
        })
        .optional()
}
