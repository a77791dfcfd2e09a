//! Moves payloads aside that no job refers to. Other nodes write into the same place meanwhile, and one that has been silent
//! may go on at any moment with a payload in hand. So its name is taken first, in the table where jobs take theirs: whoever
//! comes second to it gets nothing.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::StoreError;
use crate::blobs::{self, Blobs, Lying, References};
use crate::postgres::node::clock::NOW;
use crate::postgres::shared::Shared;

/// One younger than this may be one that another node has finished and whose job is not on disk yet, or is writing.
const YOUNG: Duration = Duration::from_secs(24 * 3_600);
/// No request lasts for so long that it still has a payload of then, milliseconds.
const REMEMBER: i64 = 30 * 86_400_000;

/// Everything that lies there. To be called before this node takes its number: a node that comes later finds that it is
/// not the first, so when this one is, nobody who counts as alive has any of these in hand.
pub(crate) async fn look(blobs: &Blobs) -> io::Result<Vec<Lying>> {
    let (mut listing, mut all) = (blobs.list(), Vec::new());
    while let Some(page) = listing.page().await? {
        all.extend(page);
    }
    Ok(all)
}

/// Moves those aside that nobody will ever ask for: all of them, where this node is the first; old ones where there are others.
pub(crate) async fn sweep(shared: &Shared, mut lying: Vec<Lying>, is_first: bool) -> Result<(), StoreError> {
    let blobs = &shared.blobs;
    // By the clock that all nodes share: this one's may be anywhere.
    let now: i64 =
        shared.read(|db| async move { Ok(db.query_one(&format!("SELECT {NOW}"), &[]).await?.try_get(0)?) }).await?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(now.max(0).unsigned_abs());
    let is_old = |written: SystemTime| at.duration_since(written).is_ok_and(|age| age > YOUNG);
    lying.retain(|one| is_first || one.written.is_some_and(is_old));
    let (finished, broken): (Vec<Lying>, Vec<Lying>) = lying.into_iter().partition(|one| one.finished);
    for one in &broken {
        let discarded = blobs.discard(&one.name).await;
        discarded.map_err(|e| StoreError::Other(format!("sweeping large payloads: {e}")))?;
    }
    blobs::look_aside(blobs, shared).await?;
    blobs::set_aside(blobs, shared, finished, |_| true).await
}

#[async_trait]
impl References for Shared {
    async fn known(&self, names: &[Box<str>]) -> Result<HashSet<Box<str>>, StoreError> {
        self.read(|db| async move {
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            let known = db.query("SELECT name FROM blob WHERE name = ANY($1) AND no > 0", &[&names]).await?;
            Ok(known.iter().map(|row| row.try_get::<_, &str>(0).map(Box::from)).collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn take(&self, names: Vec<Box<str>>) -> Result<Vec<Box<str>>, StoreError> {
        let names = &names;
        self.read(|db| async move {
            let names: Vec<&str> = names.iter().map(|name| &**name).collect();
            // A name that no job has becomes one that none can have. Rows of a transaction that is under way are waited for.
            let take = format!(
                "INSERT INTO blob (name, no, swept_at) SELECT name, 0, {NOW} FROM unnest($1::text[]) AS name ORDER BY 1 \
                 ON CONFLICT DO NOTHING"
            );
            db.execute(&take, &[&names]).await?;
            db.execute(&format!("DELETE FROM blob WHERE no = 0 AND swept_at < {NOW} - {REMEMBER}"), &[]).await?;
            // Those that were taken before as well: the last sweep may not have come to its end.
            let taken = db.query("SELECT name FROM blob WHERE name = ANY($1) AND no = 0", &[&names]).await?;
            Ok(taken.iter().map(|row| row.try_get::<_, &str>(0).map(Box::from)).collect::<Result<_, _>>()?)
        })
        .await
    }
}
