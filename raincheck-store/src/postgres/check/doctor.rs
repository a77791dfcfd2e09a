//! A look at a database from outside, beside the servers that have it or without one.

use std::time::Duration;

use async_trait::async_trait;

use super::examiner::{Examiner, Source, rows};
use super::files::Owner;
use super::history::Histories;
use super::stage::Throttle;
use super::surroundings::Surroundings;
use crate::checkup::{CheckPage, Checkup};
use crate::postgres::Time;
use crate::postgres::options::PostgresOptions;
use crate::postgres::read_only::{ReadOnly, open_read_only};
use crate::{Blobs, StoreError};

/// Everything that can be judged about a database and its folder of large payloads. It writes nothing, and keeps no
/// transaction open for longer than a count takes.
pub struct PostgresDoctor {
    examiner: Examiner,
    served: bool,
}

impl PostgresDoctor {
    /// Opens the data of `options` for reading. A `quick` look measures large payloads; else they are read and compared
    /// with their digests.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub async fn open(options: &PostgresOptions, quick: bool) -> Result<Self, StoreError> {
        let ReadOnly { db, place, served, alone } = open_read_only(options).await?;
        let (piece, whole) = (Duration::from_millis(200), Duration::from_secs(300));
        let throttle = Throttle { piece, whole, alone, files: true, payloads: !quick };
        let mut stages = rows();
        stages.push_front(Box::new(Owner(options.blobs.clone())));
        stages.push_back(Box::new(Histories { place }));
        let now = (options.time == Time::Given).then(|| options.clock.now());
        stages.push_front(Box::new(Surroundings { now }));
        let blobs = Blobs::at(&options.blobs).map_err(|error| options.blobs.unusable(&error))?;
        let examiner = Examiner { source: Source::Own(db), blobs, throttle, stages };
        Ok(PostgresDoctor { examiner, served })
    }

    /// Whether a server has the data open.
    pub fn is_served(&self) -> bool {
        self.served
    }
}

#[async_trait]
impl Checkup for PostgresDoctor {
    async fn page(&mut self) -> Result<Option<CheckPage>, StoreError> {
        self.examiner.page().await
    }
}
