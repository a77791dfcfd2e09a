use std::time::Duration;

use raincheck_core::{Append, ChunkKind, Command, JobNo, log_bytes};
use raincheck_store::{Chunk, ChunkInfo, StoreError};

use crate::hub::Watch;
use crate::{AppendAnswer, Engine, replies};

/// A follower reads again after this long, even when nobody told it to.
const FALLBACK_POLL: Duration = Duration::from_secs(15);

/// Tells when it is time to read a job's stream, log or state again: arm it, read, await, and so on.
pub struct Follow {
    engine: Engine,
    watch: Watch,
}

impl Engine {
    /// Pieces of a stream (of one attempt) or log (attempt ignored) from `offset` bytes on, at most `limit`
    /// bytes.
    pub async fn chunks(
        &self,
        no: JobNo,
        kind: ChunkKind,
        attempt: u32,
        offset: u64,
        limit: usize,
    ) -> Result<Vec<Chunk>, StoreError> {
        self.store().chunks(no, kind, attempt, offset, limit).await
    }

    /// What there is of a stream (of one attempt) or log (attempt ignored).
    pub async fn chunk_info(&self, no: JobNo, kind: ChunkKind, attempt: u32) -> Result<ChunkInfo, StoreError> {
        self.store().chunk_info(no, kind, attempt).await
    }

    /// Adds to a run's stream or log, within the engine's bounds.
    pub async fn append(&self, append: Append) -> Result<AppendAnswer, StoreError> {
        let limit = append.limit.min(self.chunk_limit(append.kind, append.lease.attempt));
        replies::append(self.one(Command::Append(Append { limit, ..append })).await?)
    }

    /// Most bytes that a stream or log may have while this attempt writes it.
    pub fn chunk_limit(&self, kind: ChunkKind, attempt: u32) -> u64 {
        match kind {
            ChunkKind::Stream => self.0.settings.stream_limit,
            ChunkKind::Log => log_bytes(self.0.settings.log_limit, attempt),
        }
    }

    /// Follows a job's stream, log and state from now on.
    pub fn follow(&self, no: JobNo) -> Follow {
        Follow { engine: self.clone(), watch: self.0.hub.watch(no) }
    }
}

impl Follow {
    /// Resolves when the stream or log grew or the job changed since the last call (or since the follower was
    /// made), after 15 seconds anyway, and when draining begins. A hint: read again to know.
    pub async fn changed(&mut self) {
        tokio::select! {
            () = self.watch.changed() => {}
            () = tokio::time::sleep(FALLBACK_POLL) => {}
            () = self.engine.0.draining.cancelled() => {}
        }
    }
}
