use raincheck_core::interpreter::{ChunkPlace, Part, Piece};
use raincheck_core::{ChunkKind, JobNo, LeaseRef, limits};
use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::records::{Chunk, ChunkInfo};

/// Puts a piece behind the others.
pub(crate) fn insert(db: &Connection, piece: &Piece) -> Result<()> {
    let Piece { place: ChunkPlace { no, kind, attempt }, start, run, base, content_type, bytes } = piece;
    let sql = "INSERT INTO chunk (no, kind, attempt, offset, run, base, content_type, bytes) \
               VALUES (?1,?2,?3,?4,?5,?6,?7,?8)";
    let (start, base) = (start.cast_signed(), base.cast_signed());
    let row = params![no.0, *kind as i64, attempt, start, run, base, content_type, &bytes[..]];
    db.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Where a stream or log ends.
pub(crate) fn part(db: &Connection, ChunkPlace { no, kind, attempt }: ChunkPlace) -> Result<Option<Part>> {
    db.prepare_cached(
        "SELECT offset + length(bytes), run, base FROM chunk WHERE no=?1 AND kind=?2 AND attempt=?3 \
         ORDER BY offset DESC LIMIT 1",
    )?
    .query_row(params![no.0, kind as i64, attempt], |row| {
        let (end, base): (i64, i64) = (row.get(0)?, row.get(2)?);
        Ok(Part { end: end.cast_unsigned(), run: row.get(1)?, base: base.cast_unsigned() })
    })
    .optional()
}

pub(crate) fn info(db: &Connection, no: JobNo, kind: ChunkKind, attempt: u32) -> Result<ChunkInfo> {
    let ChunkPlace { attempt, .. } = ChunkPlace::of(LeaseRef { no, attempt }, kind);
    let size: Option<i64> = db
        .prepare_cached(
            "SELECT offset + length(bytes) FROM chunk WHERE no=?1 AND kind=?2 AND attempt=?3 ORDER BY offset DESC LIMIT 1",
        )?
        .query_row(params![no.0, kind as i64, attempt], |row| row.get(0))
        .optional()?;
    let Some(size) = size else { return Ok(ChunkInfo::default()) };
    let content_type = db
        .prepare_cached("SELECT content_type FROM chunk WHERE no=?1 AND kind=?2 AND attempt=?3 AND offset=0")?
        .query_row(params![no.0, kind as i64, attempt], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(ChunkInfo { size: size as u64, content_type })
}

pub(crate) fn read(
    db: &Connection,
    no: JobNo,
    kind: ChunkKind,
    attempt: u32,
    offset: u64,
    limit: usize,
) -> Result<Vec<Chunk>> {
    let ChunkPlace { attempt, .. } = ChunkPlace::of(LeaseRef { no, attempt }, kind);
    // The piece that holds `offset` may start up to one piece before it.
    let from = offset.saturating_sub(limits::CHUNK_BYTES as u64);
    let mut statement = db.prepare_cached(
        "SELECT offset, bytes, run FROM chunk WHERE no=?1 AND kind=?2 AND attempt=?3 AND offset>=?4 ORDER BY offset",
    )?;
    let mut rows = statement.query(params![no.0, kind as i64, attempt, from as i64])?;
    let (mut found, mut size) = (Vec::new(), 0);
    while size < limit
        && let Some(row) = rows.next()?
    {
        let start = row.get::<_, i64>(0)? as u64;
        let bytes = row.get_ref(1)?.as_blob()?;
        let skip = offset.saturating_sub(start) as usize;
        if skip >= bytes.len() {
            continue;
        }
        let end = skip + (bytes.len() - skip).min(limit - size);
        let bytes = bytes::Bytes::copy_from_slice(&bytes[skip..end]);
        size += bytes.len();
        found.push(Chunk { attempt: row.get(2)?, offset: start + skip as u64, bytes });
    }
    Ok(found)
}
