use raincheck_core::interpreter::ChunkPlace;
use raincheck_core::{ChunkKind, JobNo, LeaseRef, limits};

use super::query::{row_within, rows};
use crate::postgres::connection::pool::Object;
use crate::postgres::error::PgError;
use crate::postgres::shared::Shared;
use crate::postgres::tables::rows::count;
use crate::records::{Chunk, ChunkInfo};

const INFO: &str = "SELECT c.start + octet_length(c.bytes), (SELECT f.content_type FROM chunk f WHERE f.no=$1 AND \
    f.no >= {low} AND f.no < {high} AND f.kind=$2 AND f.attempt=$3 AND f.start=0) FROM chunk c WHERE c.no=$1 AND \
    c.no >= {low} AND c.no < {high} AND c.kind=$2 AND c.attempt=$3 AND EXISTS (SELECT FROM job WHERE no=$1) \
    ORDER BY c.start DESC LIMIT 1";
const READ: &str = "SELECT start, bytes, run FROM chunk WHERE no=$1 AND no >= {low} AND no < {high} AND kind=$2 AND \
    attempt=$3 AND start>=$4 AND EXISTS (SELECT FROM job WHERE no=$1) ORDER BY start LIMIT $5";

/// Where in the table a stream or log of an attempt is.
fn place(no: JobNo, kind: ChunkKind, attempt: u32) -> i32 {
    count(ChunkPlace::of(LeaseRef { no, attempt }, kind).attempt)
}

pub(crate) async fn info(
    db: &Object,
    shared: &Shared,
    no: JobNo,
    kind: ChunkKind,
    attempt: u32,
) -> Result<ChunkInfo, PgError> {
    let place = place(no, kind, attempt);
    let found = row_within(db, shared, INFO, no, &[&no.0, &(kind as i16), &place]).await?;
    let Some(row) = found else { return Ok(ChunkInfo::default()) };
    let content_type = row.try_get::<_, Option<&str>>(1)?.map(crate::postgres::tables::text::plain);
    Ok(ChunkInfo { size: row.try_get::<_, i64>(0)?.unsigned_abs(), content_type })
}

pub(crate) async fn read(
    db: &Object,
    shared: &Shared,
    no: JobNo,
    kind: ChunkKind,
    attempt: u32,
    offset: u64,
    limit: usize,
) -> Result<Vec<Chunk>, PgError> {
    // The piece that holds `offset` may start up to one piece before it.
    let mut from = offset.saturating_sub(limits::CHUNK_BYTES as u64).cast_signed();
    let (mut found, mut size) = (Vec::new(), 0);
    let sql = shared.partitions.around(no).put_into(READ);
    while size < limit {
        // Pieces may be anything from a byte to a full one: no more are asked for than would fit if all were full, so
        // that no answer is larger than was asked for, and then some more.
        let want = (limit - size) / limits::CHUNK_BYTES + 2;
        let rows = rows(db, &sql, &[&no.0, &(kind as i16), &place(no, kind, attempt), &from, &(want as i64)]).await?;
        for row in &rows {
            let start = row.try_get::<_, i64>(0)?;
            from = start + 1;
            let bytes: &[u8] = row.try_get(1)?;
            let skip = offset.saturating_sub(start.unsigned_abs()) as usize;
            if skip >= bytes.len() || size >= limit {
                continue;
            }
            let end = skip + (bytes.len() - skip).min(limit - size);
            let bytes = bytes::Bytes::copy_from_slice(&bytes[skip..end]);
            size += bytes.len();
            let run = row.try_get::<_, i32>(2)?.cast_unsigned();
            found.push(Chunk { attempt: run, offset: start.unsigned_abs() + skip as u64, bytes });
        }
        if rows.len() < want {
            break;
        }
    }
    Ok(found)
}
