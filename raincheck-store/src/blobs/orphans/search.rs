//! The search for payloads that no job refers to, while a server runs: what a failing disk, a killed node of many or a lost
//! answer of the database has left.
//!
//! What no job refers to may be in somebody's hand, about to be a job's. So it is moved out of the way only when no job
//! referred to it for a whole day, which is told by the time that this server has lived through, and by no clock of a disk.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use async_trait::async_trait;
use raincheck_core::{Millis, limits};

use super::aside::KEPT;
use crate::StoreError;
use crate::blobs::handle::Blobs;
use crate::blobs::listing::Listing;
use crate::blobs::lying::Lying;

/// Names asked for at once.
const NAMES: usize = 1_000;
/// Most that are remembered from one walk to the next; the others are met again.
const REMEMBERED: usize = 100_000;

/// What a database says of the payloads that jobs refer to.
#[async_trait]
pub(crate) trait References: Sync {
    /// Those of `names` that some job refers to.
    async fn known(&self, names: &[Box<str>]) -> Result<HashSet<Box<str>>, StoreError>;
    /// Sees to it that no job gets any of `names`; answers those that none has got before.
    async fn take(&self, names: Vec<Box<str>>) -> Result<Vec<Box<str>>, StoreError>;
}

/// How far a search has come.
#[derive(Default)]
pub struct OrphanSearch {
    /// Through everything that lies there; `None` between two walks.
    walk: Option<Listing>,
    /// What the last walk met that no job referred to.
    before: HashMap<Box<str>, Met>,
    /// The same of this one.
    met: HashMap<Box<str>, Met>,
}

/// Something that no job refers to.
#[derive(Clone, Copy)]
struct Met {
    /// When it was last written to.
    written: Option<SystemTime>,
    /// Since when it was met so, on the clock of leases.
    since: Millis,
}

impl OrphanSearch {
    /// Looks at the next page at `now`, on the clock of leases; answers whether that was the end of a walk. An error ends
    /// it as well.
    pub(crate) async fn step(
        &mut self,
        blobs: &Blobs,
        names: &dyn References,
        now: Millis,
    ) -> Result<bool, StoreError> {
        if !blobs.is_ours().await.map_err(failed)? {
            self.walk = None;
            return Err(StoreError::Other(
                "the place of large payloads has lost its mark, or bears another's".to_owned(),
            ));
        }
        let mut walk = match self.walk.take() {
            Some(walk) => walk,
            None => {
                look_aside(blobs, names).await?;
                self.met.clear();
                blobs.list()
            }
        };
        let Some(page) = walk.page().await.map_err(failed)? else {
            self.before = std::mem::take(&mut self.met);
            return Ok(true);
        };
        let (finished, broken): (Vec<Lying>, Vec<Lying>) = page.into_iter().partition(|one| one.finished);
        for one in broken.iter().filter(|one| self.is_old(one, now)).collect::<Vec<_>>() {
            blobs.discard(&one.name).await.map_err(failed)?;
        }
        set_aside(blobs, names, finished, |one| self.is_old(one, now)).await?;
        self.walk = Some(walk);
        Ok(false)
    }

    /// Whether it was met so for long enough; remembers it otherwise.
    fn is_old(&mut self, one: &Lying, now: Millis) -> bool {
        let same = self.before.get(&one.name).filter(|met| met.written == one.written);
        let met = same.copied().unwrap_or(Met { written: one.written, since: now });
        let is_old = now - met.since >= limits::ORPHANS_MILLIS;
        if !is_old && self.met.len() < REMEMBERED {
            self.met.insert(one.name.clone(), met);
        }
        is_old
    }
}

/// Moves those aside that no job refers to, as far as `is_old` lets it.
pub(crate) async fn set_aside(
    blobs: &Blobs,
    names: &dyn References,
    lying: Vec<Lying>,
    mut is_old: impl FnMut(&Lying) -> bool + Send,
) -> Result<(), StoreError> {
    let mut moved = 0;
    for page in lying.chunks(NAMES) {
        let all: Vec<Box<str>> = page.iter().map(|one| one.name.clone()).collect();
        let known = names.known(&all).await?;
        let unknown = page.iter().filter(|one| !known.contains(&one.name));
        let old: Vec<Box<str>> = unknown.filter(|one| is_old(one)).map(|one| one.name.clone()).collect();
        if !old.is_empty() {
            moved += blobs.set_aside(names.take(old).await?).await.map_err(failed)?;
        }
    }
    if moved > 0 {
        tracing::info!(moved, "moved payloads that no job refers to into `orphans`, for a day");
    }
    Ok(())
}

/// Brings back what lies aside though a job refers to it, and removes what has lain there for long enough.
pub(crate) async fn look_aside(blobs: &Blobs, names: &dyn References) -> Result<(), StoreError> {
    let aside = blobs.lying_aside().await.map_err(failed)?;
    for page in aside.chunks(NAMES) {
        let all: Vec<Box<str>> = page.iter().map(|one| one.name.clone()).collect();
        for name in names.known(&all).await? {
            blobs.take_back(&name).await.map_err(failed)?;
            tracing::warn!(name = &*name, "a job refers to a payload that lay aside; it is back");
        }
    }
    let removed = blobs.clear_aside(SystemTime::now() - KEPT).await.map_err(failed)?;
    if removed > 0 {
        tracing::info!(removed, "removed payloads that no job has referred to for a day");
    }
    Ok(())
}

fn failed(error: std::io::Error) -> StoreError {
    StoreError::Other(format!("large payloads: {error}"))
}
