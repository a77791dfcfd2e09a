//! The look itself: one stage after another, each in pieces.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, IsolationLevel};

use super::stage::{Look, Result, Stage, Throttle};
use super::{belongings, claims, counters, feed, files, follow, jobs, objects, surroundings};
use crate::checkup::{CheckPage, Checkup, Invariant};
use crate::postgres::connection::timeouts::{answered, within};
use crate::postgres::error::PgError;
use crate::postgres::reader::list::HOLD;
use crate::postgres::shared::Shared;
use crate::{Blobs, StoreError};

/// How long a piece may take above what must be seen at one moment: its other rows, and its files.
const FILES: Duration = Duration::from_secs(300);

/// Where the connection comes from: a server's own, or one that was made for the look.
pub(super) enum Source {
    Server(Arc<Shared>),
    Own(Client),
}

/// The look itself.
pub(super) struct Examiner {
    pub source: Source,
    pub blobs: Blobs,
    pub throttle: Throttle,
    pub stages: VecDeque<Box<dyn Stage>>,
}

/// The look of a server at its own data, while it serves: what takes long in one piece is left out.
pub(crate) fn of_live(shared: &Arc<Shared>) -> Box<dyn Checkup> {
    // A storage wants to be paid for each that it is asked for: no server does so on its own, `doctor` does.
    let files = shared.blobs.folder().is_some();
    let (piece, whole) = (Duration::from_millis(20), Duration::from_millis(200));
    let throttle = Throttle { piece, whole, alone: false, files, payloads: false };
    let (source, blobs) = (Source::Server(shared.clone()), shared.blobs.clone());
    Box::new(Examiner { source, blobs, throttle, stages: rows() })
}

/// The stages that look at rows and files.
pub(super) fn rows() -> VecDeque<Box<dyn Stage>> {
    VecDeque::from([
        Box::new(surroundings::Indexes) as Box<dyn Stage>,
        Box::new(jobs::Jobs::default()),
        Box::new(feed::Feed::default()),
        Box::new(belongings::Belongings::default()),
        Box::new(claims::Claims::default()),
        Box::new(follow::FollowUps::default()),
        Box::new(counters::Counters),
        Box::new(counters::Forgotten),
        Box::new(objects::Objects::default()),
        Box::new(files::Files::default()),
    ])
}

#[async_trait]
impl Checkup for Examiner {
    async fn page(&mut self) -> std::result::Result<Option<CheckPage>, StoreError> {
        if self.stages.is_empty() {
            return Ok(None);
        }
        let Examiner { source, blobs, throttle, stages } = self;
        let patience = throttle.whole + FILES;
        let page = match source {
            Source::Server(shared) => {
                let until = Instant::now() + patience;
                let mut db = shared.reader(until).await?;
                answered(until, piece(&mut db, blobs, throttle, stages)).await
            }
            Source::Own(db) => within(patience, piece(db, blobs, throttle, stages)).await,
        };
        Ok(Some(page?))
    }
}

/// One piece, as of one moment.
async fn piece(
    db: &mut Client,
    blobs: &Blobs,
    throttle: &mut Throttle,
    stages: &mut VecDeque<Box<dyn Stage>>,
) -> Result<CheckPage> {
    let mut page = CheckPage::default();
    let until = Instant::now() + throttle.piece;
    let moment = db.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    moment.batch_execute(HOLD).await?;
    let patience = throttle.whole + Duration::from_secs(5);
    moment.batch_execute(&format!("SET LOCAL statement_timeout = {}", patience.as_millis())).await?;
    let mut look = Look { db: &moment, blobs, throttle: *throttle, until, files: Vec::new(), page: &mut page };
    while let Some(stage) = stages.front_mut() {
        match stage.advance(&mut look).await {
            Ok(true) => {}
            Ok(false) => drop(stages.pop_front()),
            Err(error) if is_damage(&error) => {
                look.page.found(Invariant::Database, "the database", format!("it can't be read: {error}"));
                stages.pop_front();
                // What said so has ended the transaction.
                break;
            }
            Err(error) => return Err(error),
        }
        if Instant::now() >= until {
            break;
        }
    }
    let expected = std::mem::take(&mut look.files);
    *throttle = look.throttle;
    moment.rollback().await?;
    if throttle.files {
        files::look_for(expected, db, blobs, throttle.payloads, &mut page).await?;
    }
    Ok(page)
}

/// Whether an error says that the data is damaged, not that reading failed this time.
fn is_damage(error: &PgError) -> bool {
    match error {
        PgError::Database(error) => {
            matches!(error.code(), Some(&SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED))
        }
        PgError::Unreadable(_) => true,
        _ => false,
    }
}
