//! Where in a stream or log a reader begins, and whether there is anything.

use std::time::Duration;

use raincheck_core::{ChunkKind, JobId, JobNo, State};
use raincheck_store::Record;
use tokio::time::{Instant, timeout_at};

use crate::app::App;
use crate::problem::Problem;
use crate::query::Query;

/// A follower is held this long before the first byte, if the bound of waits allows it, then told that there is nothing
/// yet.
const HOLD: Duration = Duration::from_secs(45);

/// What a reader asks for.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The job.
    pub id: JobId,
    /// Stream or log.
    pub kind: ChunkKind,
    /// Another attempt than the latest.
    pub attempt: Option<u32>,
    /// Bytes that the reader has.
    pub offset: u64,
    /// Stay when all is read.
    pub follow: bool,
}

/// What there is at a place.
pub enum Start {
    /// Bytes, now or soon.
    At {
        /// The job.
        no: JobNo,
        /// Of this attempt.
        attempt: u32,
        /// Of this media type.
        content_type: Option<Box<str>>,
    },
    /// None yet.
    Nothing(Box<Record>),
    /// All was read, and no more will come.
    Over,
    /// The place lies behind the end, which is here.
    Outside(u64),
}

impl Place {
    /// From the parameters that stream and log share.
    pub fn of(id: JobId, query: &mut Query) -> Result<Self, Problem> {
        let offset = query.number("offset")?.unwrap_or(0);
        let follow = query.flag("follow")?;
        Ok(Place { id, kind: ChunkKind::Log, attempt: None, offset, follow })
    }

    /// Looks, and waits for the first byte where the reader follows.
    pub async fn start(&self, app: &App) -> Result<Start, Problem> {
        let longest = Duration::from_millis(u64::try_from(app.options.limits.wait).unwrap_or(0));
        let deadline = Instant::now() + HOLD.min(longest);
        loop {
            // Armed before the look.
            let mut grown = app.engine.follow(app.job_row(self.id).await?.no);
            let record = match self.look(app, app.job(self.id).await?).await? {
                Step::Start(start) => return Ok(start),
                Step::Wait(record) => record,
            };
            if !self.follow || app.engine.is_draining() || timeout_at(deadline, grown.changed()).await.is_err() {
                return Ok(Start::Nothing(record));
            }
        }
    }

    async fn look(&self, app: &App, record: Record) -> Result<Step, Problem> {
        let job = &record.job;
        let attempt = self.attempt.unwrap_or(job.attempt);
        let info = app.engine.chunk_info(job.no, self.kind, attempt).await?;
        let goes_on = match self.kind {
            ChunkKind::Log => !job.state.is_final(),
            ChunkKind::Stream => job.state == State::Running && attempt == job.attempt,
        };
        // A later attempt may still come where the reader asked for no other.
        let more = goes_on || !job.state.is_final() && attempt >= job.attempt;
        let open = self.follow && goes_on && (info.size > 0 || self.kind == ChunkKind::Log);
        Ok(Step::Start(if self.offset < info.size || open {
            Start::At { no: job.no, attempt, content_type: info.content_type }
        } else if !more {
            Start::Over
        } else if !self.follow && self.offset > info.size {
            Start::Outside(info.size)
        } else if !self.follow && (info.size > 0 || self.kind == ChunkKind::Log) {
            Start::At { no: job.no, attempt, content_type: info.content_type }
        } else {
            return Ok(Step::Wait(Box::new(record)));
        }))
    }
}

enum Step {
    Start(Start),
    Wait(Box<Record>),
}
