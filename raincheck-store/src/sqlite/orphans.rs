//! Payloads that no job refers to.

use std::collections::HashSet;
use std::time::SystemTime;

use async_trait::async_trait;
use rusqlite::Connection;

use super::error::other;
use super::shared::Shared;
use crate::StoreError;
use crate::blobs::{BlobFolder, KEPT, References};

const KNOWN: &str = "SELECT 1 FROM blob WHERE name=?1";

/// While the store is open nobody else gives names to jobs.
#[async_trait]
impl References for Shared {
    async fn known(&self, names: &[Box<str>]) -> Result<HashSet<Box<str>>, StoreError> {
        self.read(|db| {
            let (mut known, mut found) = (db.prepare_cached(KNOWN)?, HashSet::new());
            for name in names {
                if known.exists([&**name])? {
                    found.insert(name.clone());
                }
            }
            Ok::<_, rusqlite::Error>(found)
        })
    }

    /// Whoever has had one in hand for so long has brought it to its job, or never will.
    async fn take(&self, names: Vec<Box<str>>) -> Result<Vec<Box<str>>, StoreError> {
        Ok(names)
    }
}

/// At a start: brings payloads back that lie aside though a job refers to them.
pub(super) fn take_back(db: &Connection, blobs: &BlobFolder) -> Result<(), StoreError> {
    let mut known = db.prepare(KNOWN).map_err(other)?;
    for lying in blobs.lying_aside().map_err(unswept)? {
        if known.exists([&*lying.name]).map_err(other)? {
            blobs.take_back(&lying.name).map_err(unswept)?;
            tracing::warn!(name = &*lying.name, "a job refers to a payload that lay aside; it is back");
        }
    }
    Ok(())
}

/// At a start: moves payloads that no job refers to out of the way, and removes what has lain there for long enough.
pub(super) fn sweep(db: &Connection, blobs: &BlobFolder) -> Result<(), StoreError> {
    let moved = blobs.set_aside(&unknown(db, blobs)?).map_err(unswept)?;
    if moved > 0 {
        let folder = blobs.root().display();
        tracing::info!(moved, %folder, "moved payloads that no job refers to into `orphans`, for a day");
    }
    match blobs.clear_aside(SystemTime::now() - KEPT) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed payloads that no job has referred to for a day"),
        Err(error) => tracing::warn!(%error, "payloads that no job refers to stay for now"),
    }
    Ok(())
}

fn unswept(error: std::io::Error) -> StoreError {
    StoreError::Other(format!("sweeping large payloads: {error}"))
}

/// Payloads that no job refers to.
pub(super) fn unknown(db: &Connection, blobs: &BlobFolder) -> Result<Vec<Box<str>>, StoreError> {
    let mut known = db.prepare(KNOWN).map_err(other)?;
    let mut failed = None;
    let unknown = blobs.unknown(|name| {
        known.exists([name]).unwrap_or_else(|error| {
            failed = Some(error);
            true
        })
    });
    match failed {
        Some(error) => Err(other(error)),
        None => unknown.map_err(|e| StoreError::Other(format!("looking at large payloads: {e}"))),
    }
}
