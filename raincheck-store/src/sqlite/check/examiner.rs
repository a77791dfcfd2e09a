use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::{Connection, Result};

use super::damage::{is_damage, is_interrupted};
use super::expected_files::look_for;
use super::recount::Recounting;
use super::stage::{Look, Stage, Throttle};
use super::stages::{belongings, claims, counters, feed, files, follow_ups, forgotten, jobs, objects, ready};
use crate::StoreError;
use crate::blobs::BlobFolder;
use crate::checkup::{CheckPage, Checkup};
use crate::rules::CIRCLE;
use crate::sqlite::disk::budget::Budget;
use crate::sqlite::error::other;

/// Steps of SQLite's machine between two looks at the clock: beside a server, no statement runs on for ever.
const STEPS: std::ffi::c_int = 20_000;
/// How much longer than it should a piece may take before SQLite gives it up.
const GRACE: Duration = Duration::from_millis(50);

/// The look itself.
pub(super) struct Examiner {
    pub db: Connection,
    pub blobs: BlobFolder,
    pub throttle: Throttle,
    pub stages: VecDeque<Box<dyn Stage>>,
    /// Of each stage, where nobody else has the data.
    pub budget: Option<Budget>,
}

/// An [`Examiner`] that works off the async threads; gone while it is at it, should that be canceled.
pub(super) struct Apart(pub Option<Examiner>);

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

/// The stages that look at rows and files.
pub(super) fn rows() -> VecDeque<Box<dyn Stage>> {
    VecDeque::from([
        Box::new(jobs::Jobs::default()) as Box<dyn Stage>,
        Box::new(feed::Feed::default()),
        Box::new(belongings::Belongings::default()),
        Box::new(claims::Claims::default()),
        Box::new(follow_ups::FollowUps::default()),
        Box::new(ready::Ready::default()),
        Box::new(Recounting::<counters::Counters>::default()),
        Box::new(Recounting::<forgotten::Forgotten>::default()),
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
            look_for(expected, db, blobs, self.throttle.payloads, &mut page)?;
        }
        Ok(Some(page))
    }
}
