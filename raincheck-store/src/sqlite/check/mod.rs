//! A look through the data for broken promises: one stage after another, each in pieces that are one short read
//! transaction, so that the write-ahead log never waits for it.

mod belongings;
mod claims;
mod counters;
mod database;
mod doctor;
mod feed;
mod files;
mod follow;
mod forgotten;
mod held;
mod jobs;
mod objects;
mod ready;
mod surroundings;

pub use doctor::SqliteDoctor;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::{Connection, Error, ErrorCode, Result};

use super::budget::Budget;
use super::shared::{Shared, other};
use crate::StoreError;
use crate::blobs::BlobFolder;
use crate::checkup::{CheckPage, Checkup, Invariant};
use crate::rules::CIRCLE;

/// Rows looked at between two looks at the clock.
const BATCH: usize = 64;
/// Steps of SQLite's machine between two looks at the clock: beside a server, no statement runs on for ever.
const STEPS: std::ffi::c_int = 20_000;
/// How much longer than it should a piece may take before SQLite gives it up.
const GRACE: Duration = Duration::from_millis(50);

/// One kind of look; it remembers how far it has come.
trait Stage: Send {
    /// Looks at a few rows; answers whether there are more.
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool>;
    /// What stays without a judgment when damage ends it early.
    fn judges(&self) -> &'static [Invariant];
}

/// What a stage sees with.
struct Look<'a> {
    db: &'a Connection,
    blobs: &'a BlobFolder,
    throttle: Throttle,
    /// When the piece should end.
    until: Instant,
    /// Files that rows of this piece refer to; looked for after the transaction.
    files: Vec<files::Expected>,
    page: &'a mut CheckPage,
    /// The stage can't go on: what it reads is damaged.
    stuck: bool,
}

impl Look<'_> {
    /// Says that rows of a table, read in the order of their keys, come again; the end of a stage.
    fn circle(&mut self, table: &str) -> Result<bool> {
        self.damaged(format!("{table}: {CIRCLE}"));
        Ok(false)
    }

    fn damaged(&mut self, detail: String) {
        self.page.found(Invariant::Database, "raincheck.db", detail);
        self.stuck = true;
    }
}

/// How long a look may keep a transaction open.
#[derive(Clone, Copy)]
struct Throttle {
    /// A piece.
    piece: Duration,
    /// What must be seen at one moment.
    whole: Duration,
    /// Nobody else has the data: nothing changes meanwhile, and nobody minds.
    alone: bool,
    /// Files are looked for.
    files: bool,
    /// They are read and compared with their digests, not just measured.
    payloads: bool,
}

/// The look itself.
struct Examiner {
    db: Connection,
    blobs: BlobFolder,
    throttle: Throttle,
    stages: VecDeque<Box<dyn Stage>>,
    /// Of each stage, where nobody else has the data.
    budget: Option<Budget>,
}

/// An [`Examiner`] that works off the async threads; gone while it is at it, should that be canceled.
struct Apart(Option<Examiner>);

#[async_trait]
impl Checkup for Apart {
    async fn page(&mut self) -> std::result::Result<Option<CheckPage>, StoreError> {
        let Some(mut examiner) = self.0.take() else { return Ok(None) };
        let work = tokio::task::spawn_blocking(move || (examiner.page(), examiner));
        let (page, examiner) = work.await.map_err(|e| StoreError::Other(e.to_string()))?;
        self.0 = Some(examiner);
        page.map_err(other)
    }
}

/// The look of a server at its own data, while it serves: what takes long in one piece is left out.
pub(super) fn of_live(shared: &Arc<Shared>) -> Result<Box<dyn Checkup>> {
    let db = shared.open_reader()?;
    db.execute_batch("PRAGMA cache_size = -512")?;
    let throttle = Throttle {
        piece: Duration::from_millis(2),
        whole: Duration::from_millis(50),
        alone: false,
        files: true,
        payloads: false,
    };
    let mut stages = rows();
    stages.push_back(Box::new(held::Held::new(shared.clone())));
    Ok(Box::new(Apart(Some(Examiner { db, blobs: shared.folder.clone(), throttle, stages, budget: None }))))
}

/// The stages that look at rows and files.
fn rows() -> VecDeque<Box<dyn Stage>> {
    VecDeque::from([
        Box::new(jobs::Jobs::default()) as Box<dyn Stage>,
        Box::new(feed::Feed::default()),
        Box::new(belongings::Belongings::default()),
        Box::new(claims::Claims::default()),
        Box::new(follow::FollowUps::default()),
        Box::new(ready::Ready::default()),
        Box::new(counters::Counters::default()),
        Box::new(forgotten::Forgotten::default()),
        Box::new(objects::Objects::default()),
        Box::new(files::Files::default()),
    ])
}

impl Examiner {
    fn page(&mut self) -> Result<Option<CheckPage>> {
        if self.stages.is_empty() {
            return Ok(None);
        }
        let mut page = CheckPage::default();
        let until = Instant::now() + self.throttle.piece;
        if !self.throttle.alone {
            let end = until + self.throttle.whole + GRACE;
            self.db.progress_handler(STEPS, Some(move || Instant::now() >= end))?;
        }
        let reading = self.db.unchecked_transaction()?;
        let (db, blobs) = (&self.db, &self.blobs);
        let mut look =
            Look { db, blobs, throttle: self.throttle, until, files: Vec::new(), page: &mut page, stuck: false };
        while let Some(stage) = self.stages.front_mut() {
            let advanced = stage.advance(&mut look);
            let mut why = "damage is in the way";
            let more = match advanced {
                Ok(more) => more,
                Err(error) if is_damage(&error) => {
                    look.damaged(format!("it can't be read: {error}"));
                    false
                }
                Err(error) if is_interrupted(&error) && self.throttle.alone => {
                    look.damaged(format!("it can't be read to its end: {CIRCLE}"));
                    false
                }
                Err(error) if is_interrupted(&error) => {
                    look.stuck = true;
                    why = "reading takes longer than a server should be kept waiting; a backup can be judged";
                    false
                }
                Err(error) => return Err(error),
            };
            if std::mem::take(&mut look.stuck) {
                look.page.unjudged.extend(stage.judges().iter().map(|invariant| (*invariant, why.into())));
            }
            if !more {
                self.stages.pop_front();
                self.budget.iter().for_each(Budget::renew);
            }
            if Instant::now() >= until {
                break;
            }
        }
        let expected = std::mem::take(&mut look.files);
        self.throttle = look.throttle;
        reading.finish()?;
        if self.throttle.files {
            files::look_for(expected, db, blobs, self.throttle.payloads, &mut page)?;
        }
        Ok(Some(page))
    }
}

fn is_interrupted(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// Whether an error says that the data is damaged, not that reading failed this time.
pub(super) fn is_damage(error: &Error) -> bool {
    use ErrorCode::{DatabaseCorrupt, NotADatabase, OutOfMemory, SystemIoFailure, TooBig, Unknown};
    match error {
        Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..)
        | Error::SqlInputError { .. } => true,
        // A length that is not what it was asks for more memory than there is.
        Error::SqliteFailure(failure, _) => {
            matches!(failure.code, DatabaseCorrupt | NotADatabase | OutOfMemory | SystemIoFailure | TooBig | Unknown)
        }
        _ => false,
    }
}
