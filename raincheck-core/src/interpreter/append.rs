use super::carried::Carried;
use super::facts::{ChunkPlace, Fact, NotAsked, Part, Piece};

use crate::command::{Append, Change, Reply};
use crate::decide;
use crate::job::Job;
use crate::limits;

/// Adds bytes of a run to its stream or log. Senders count from the beginning of their own run.
pub(super) fn append(append: Append, job: Job, part: Fact<Part>) -> Result<Carried, NotAsked> {
    if !decide::may_append(&job, &append) {
        return Ok(Reply::LeaseLost(job).into());
    }
    let Part { end, run, base } = part.known("the end of a stream or log")?.unwrap_or_default();
    let base = if run == job.attempt { base } else { end };
    let offset = append.offset.map_or(end, |offset| base.saturating_add(offset));
    let known = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
    if offset > end || known >= append.bytes.len() {
        // A hole is not written; a repeated piece is not doubled. Either way the sender learns where the end is.
        return Ok(Reply::Appended(end - base).into());
    }
    let bytes = append.bytes.slice(known..);
    if end + bytes.len() as u64 > append.limit {
        return Ok(Reply::Full.into());
    }
    let place = ChunkPlace::of(append.lease, append.kind);
    let mut content_type = append.content_type.filter(|_| end == 0);
    let piece = |at: usize| {
        Change::Piece(Piece {
            place,
            start: end + at as u64,
            run: job.attempt,
            base,
            content_type: content_type.take(),
            bytes: bytes.slice(at..bytes.len().min(at + limits::CHUNK_BYTES)),
        })
    };
    let changes = (0..bytes.len()).step_by(limits::CHUNK_BYTES).map(piece).collect();
    Ok((Reply::Appended(end + bytes.len() as u64 - base), changes).into())
}
