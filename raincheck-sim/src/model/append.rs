//! Bytes of streams and logs.

use raincheck_core::{Append, Reply, decide};

use super::{Disk, Model, Stop};

impl Model {
    pub(super) fn append(&mut self, append: Append) -> Result<Reply, Stop> {
        let Some(job) = self.row(append.lease.no) else { return Ok(Reply::Gone) };
        if !decide::may_append(&job, &append) {
            return Ok(Reply::LeaseLost(job));
        }
        let place = Disk::chunk_place(job.no, append.kind, job.attempt);
        let mut kept = self.disk.chunks.get(&place).cloned().unwrap_or_default();
        let base = if kept.run == job.attempt { kept.base } else { kept.size };
        // Senders count from the beginning of their own run.
        let offset = append.offset.map_or(kept.size, |offset| base.saturating_add(offset));
        let known = kept.size.saturating_sub(offset) as usize;
        if offset > kept.size || known >= append.bytes.len() {
            return Ok(Reply::Appended(kept.size - base));
        }
        let bytes = append.bytes.slice(known..);
        if kept.size + bytes.len() as u64 > append.limit {
            return Ok(Reply::Full);
        }
        self.effect()?;
        (kept.run, kept.base) = (job.attempt, base);
        kept.size += bytes.len() as u64;
        kept.bytes.push(bytes);
        let end = kept.size - base;
        self.disk.chunks.set(place, kept);
        Ok(Reply::Appended(end))
    }
}
