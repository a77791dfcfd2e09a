//! The bytes of one attempt's stream, or of a log, one piece after the other.

use std::collections::VecDeque;

use raincheck_core::{ChunkKind, JobNo, State};
use raincheck_engine::{Engine, Follow};
use raincheck_store::{Chunk, StoreError};

use super::place::Place;
use crate::{failed, peer};

/// Read from the store at once, bytes.
const READ: usize = 32 << 10;

/// Reads on until the run is over, or only what there is.
pub struct Tail {
    engine: Engine,
    no: JobNo,
    kind: ChunkKind,
    attempt: u32,
    offset: u64,
    /// Armed before every look; `None` does not wait.
    follow: Option<Follow>,
    ready: VecDeque<Chunk>,
    /// The run was over when the store was last asked.
    over: bool,
    /// Nothing but the bytes is written, so that nobody would notice that the reader is gone.
    is_bare: bool,
}

impl Tail {
    /// From a place on.
    pub fn new(engine: &Engine, no: JobNo, place: &Place, attempt: u32) -> Self {
        let follow = place.follow.then(|| engine.follow(no));
        let (kind, offset) = (place.kind, place.offset);
        let (engine, ready) = (engine.clone(), VecDeque::new());
        Tail { engine, no, kind, attempt, offset, follow, ready, over: false, is_bare: false }
    }

    /// Followed only by whoever keeps both halves of its connection open; others get what there is.
    pub fn for_who_listens(self) -> Self {
        Tail { is_bare: true, ..self }
    }

    /// The attempt whose bytes these are.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Where the next piece starts.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next piece; `None` at the end, when the server drains, and when the store fails: the reader comes again.
    /// May be dropped and called again.
    pub async fn next(&mut self) -> Option<Chunk> {
        match self.read().await {
            Ok(piece) => piece,
            Err(error) => {
                failed::say("a stream of bytes ends early", &error);
                None
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Chunk>, StoreError> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                self.offset = piece.offset + piece.bytes.len() as u64;
                return Ok(Some(piece));
            }
            let chunks = self.engine.chunks(self.no, self.kind, self.attempt, self.offset, READ).await?;
            if !chunks.is_empty() {
                self.ready = chunks.into();
                continue;
            }
            if self.over || self.follow.is_none() || self.engine.is_draining() {
                return Ok(None);
            }
            self.over = self.is_over().await?;
            // Bytes may have come between the look at them and the look at the run: look again before leaving.
            if !self.over
                && let Some(follow) = &mut self.follow
            {
                tokio::select! {
                    () = follow.changed() => {}
                    () = peer::half_closed(), if self.is_bare => self.follow = None,
                }
            }
        }
    }

    async fn is_over(&self) -> Result<bool, StoreError> {
        let Some(record) = self.engine.record(self.no).await? else { return Ok(true) };
        Ok(match self.kind {
            ChunkKind::Log => record.job.state.is_final(),
            ChunkKind::Stream => record.job.state != State::Running || record.job.attempt != self.attempt,
        })
    }
}
