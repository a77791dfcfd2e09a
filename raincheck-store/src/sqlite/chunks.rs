use raincheck_core::{Append, ChunkKind, JobNo, Reply, decide, limits};
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::writer::Writer;
use crate::records::{Chunk, ChunkInfo};

/// A log is one for all attempts; a stream starts over with each.
fn place(kind: ChunkKind, attempt: u32) -> u32 {
    if kind == ChunkKind::Log { 0 } else { attempt }
}

pub(super) fn append(writer: &mut Writer<'_>, append: Append) -> Result<Reply> {
    let Some(job) = writer.job(append.lease.no)? else { return Ok(Reply::Gone) };
    if !decide::may_append(&job, &append) {
        return Ok(Reply::LeaseLost(job));
    }
    let attempt = place(append.kind, job.attempt);
    let (base, end) = part(writer.db, job.no, append.kind, job.attempt)?;
    // Senders count from the beginning of their own run.
    let offset = append.offset.map_or(end, |offset| base.saturating_add(offset));
    let known = end.saturating_sub(offset) as usize;
    if offset > end || known >= append.bytes.len() {
        // A hole is not written; a repeated piece is not doubled. Either way the sender learns where the end is.
        return Ok(Reply::Appended(end - base));
    }
    let bytes = append.bytes.slice(known..);
    if end + bytes.len() as u64 > append.limit {
        return Ok(Reply::Full);
    }
    let mut at = end;
    for piece in bytes.chunks(limits::CHUNK_BYTES) {
        let content_type = append.content_type.as_deref().filter(|_| at == 0);
        writer
            .db
            .prepare_cached(
                "INSERT INTO chunk (no, kind, attempt, offset, run, base, content_type, bytes) \
                 VALUES (?1,?2,?3,?4,?5,?6,?7,?8)",
            )?
            .execute(params![
                job.no.0,
                append.kind as i64,
                attempt,
                at as i64,
                job.attempt,
                base as i64,
                content_type,
                piece
            ])?;
        at += piece.len() as u64;
    }
    writer.chunks.push((job.no, append.kind));
    Ok(Reply::Appended(at - base))
}

/// Where the part that `run` writes begins, and where the whole ends.
fn part(db: &Connection, no: JobNo, kind: ChunkKind, run: u32) -> Result<(u64, u64)> {
    let last: Option<(i64, u32, i64)> = db
        .prepare_cached(
            "SELECT offset + length(bytes), run, base FROM chunk WHERE no=?1 AND kind=?2 AND attempt=?3 \
             ORDER BY offset DESC LIMIT 1",
        )?
        .query_row(params![no.0, kind as i64, place(kind, run)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(match last {
        Some((end, last, base)) => (if last == run { base } else { end } as u64, end as u64),
        None => (0, 0),
    })
}

pub(super) fn info(db: &Connection, no: JobNo, kind: ChunkKind, attempt: u32) -> Result<ChunkInfo> {
    let attempt = place(kind, attempt);
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

pub(super) fn read(
    db: &Connection,
    no: JobNo,
    kind: ChunkKind,
    attempt: u32,
    offset: u64,
    limit: usize,
) -> Result<Vec<Chunk>> {
    let attempt = place(kind, attempt);
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
