//! A look at a data folder from outside, beside the server that has it or without one.

use std::fs::File;
use std::time::Duration;

use async_trait::async_trait;

use super::examiner::{Apart, Examiner, rows};
use super::stage::Throttle;
use super::stages::database::Database;
use super::stages::files::Owner;
use super::stages::surroundings::Surroundings;
use crate::StoreError;
use crate::blobs::BlobFolder;
use crate::checkup::{CheckPage, Checkup};
use crate::sqlite::disk::budget::Budget;
use crate::sqlite::disk::read_only::{ReadOnly, open_read_only};
use crate::sqlite::disk::{files, high_water};
use crate::sqlite::error::other;
use crate::sqlite::options::SqliteOptions;

/// Everything that can be judged about a data folder. It writes nothing. Beside a server it reads as any reader does,
/// never longer than a second in a row; without one it keeps servers out until it is dropped.
pub struct SqliteDoctor {
    examiner: Apart,
    served: bool,
    _kept_out: Option<File>,
}

impl SqliteDoctor {
    /// Opens the data of `options` for reading. A `quick` look measures payloads; else they are read and compared with
    /// their digests.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub fn open(options: &SqliteOptions, quick: bool) -> Result<Self, StoreError> {
        let path = &files::real(&options.path);
        // Before the database, which a server takes further meanwhile.
        let high_water = high_water::read(path);
        let ReadOnly { mut db, served, kept_out } = open_read_only(options)?;
        let (piece, whole) = (Duration::from_millis(100), Duration::from_millis(800));
        let throttle = Throttle { piece, whole, alone: !served, files: true, payloads: !quick };
        let budget = if served { None } else { Some(Budget::of(&mut db).map_err(other)?) };
        let mut stages = rows();
        stages.push_front(Box::new(Owner));
        stages.push_front(Box::new(Database));
        let (reserve_bytes, now) = (options.reserve_bytes, options.clock.now());
        stages.push_front(Box::new(Surroundings { path: path.clone(), reserve_bytes, high_water, now }));
        let examiner = Examiner { db, blobs: BlobFolder::at(&options.blobs), throttle, stages, budget };
        Ok(SqliteDoctor { examiner: Apart(Some(examiner)), served, _kept_out: kept_out })
    }

    /// Whether a server has the data open.
    pub fn is_served(&self) -> bool {
        self.served
    }
}

#[async_trait]
impl Checkup for SqliteDoctor {
    async fn page(&mut self) -> Result<Option<CheckPage>, StoreError> {
        self.examiner.page().await
    }
}
