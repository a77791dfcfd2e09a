//! Moves payloads aside that no job refers to. Other nodes write into the same place meanwhile, and one that has been silent
//! may go on at any moment with a payload in hand. So its name is taken first, in the table where jobs take theirs: whoever
//! comes second to it gets nothing.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, SystemTime};

use tokio_postgres::GenericClient;

use super::shared::{NOW, Trouble};
use crate::blobs::{Blobs, KEPT, Lying};

/// One younger than this may be one that another node has finished and whose job is not on disk yet, or is writing.
const YOUNG: Duration = Duration::from_secs(24 * 3_600);
/// Names asked for at once.
const PAGE: usize = 1_000;
/// A name that no job has becomes one that none can have. Rows of a transaction that is under way are waited for.
const TAKE: &str = "INSERT INTO blob (name, no, swept_at) SELECT name, 0, $2 FROM unnest($1::text[]) AS name \
    ON CONFLICT DO NOTHING";
/// Those that were taken before as well: the last sweep may not have come to its end.
const TAKEN: &str = "SELECT name FROM blob WHERE name = ANY($1) AND no = 0";
/// No request lasts for so long that it still has a payload of then, milliseconds.
const REMEMBER: i64 = 30 * 86_400_000;

/// Everything that lies there. To be called before this node takes its number: a node that comes later finds that it is
/// not the first, so when this one is, nobody who counts as alive has any of these in hand.
pub(super) async fn look(blobs: &Blobs) -> io::Result<Vec<Lying>> {
    let (mut listing, mut all) = (blobs.list(), Vec::new());
    while let Some(page) = listing.page().await? {
        all.extend(page);
    }
    Ok(all)
}

/// Moves those aside that nobody will ever ask for: all of them, where this node is the first; old ones where there are others.
pub(super) async fn sweep(
    db: &impl GenericClient,
    blobs: &Blobs,
    mut lying: Vec<Lying>,
    is_first: bool,
) -> Result<(), Trouble> {
    let failed = |e: io::Error| Trouble::Unsuitable(format!("sweeping large payloads: {e}"));
    // By the clock that all nodes share: this one's may be anywhere.
    let now: i64 = db.query_one(&format!("SELECT {NOW}"), &[]).await?.try_get(0)?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(now.max(0).unsigned_abs());
    let is_old = |written: SystemTime| at.duration_since(written).is_ok_and(|age| age > YOUNG);
    lying.retain(|one| is_first || one.written.is_some_and(is_old));
    let (finished, broken): (Vec<Lying>, Vec<Lying>) = lying.into_iter().partition(|one| one.finished);
    for one in &broken {
        blobs.discard(&one.name).await.map_err(failed)?;
    }
    let aside = blobs.lying_aside().await.map_err(failed)?;
    for page in aside.chunks(PAGE) {
        for name in known(db, page).await? {
            blobs.take_back(&name).await.map_err(failed)?;
            tracing::warn!(name, "a job refers to a payload that lay aside; it is back");
        }
    }
    let mut swept = 0;
    for page in finished.chunks(PAGE) {
        let known = known(db, page).await?;
        let unknown: Vec<&str> = page.iter().map(|one| &*one.name).filter(|name| !known.contains(*name)).collect();
        if !unknown.is_empty() {
            let taken = take(db, &unknown, now).await?;
            swept += blobs.set_aside(taken).await.map_err(failed)?;
        }
    }
    db.execute("DELETE FROM blob WHERE no = 0 AND swept_at < $1", &[&(now - REMEMBER)]).await?;
    if swept > 0 {
        tracing::info!(swept, "moved payloads that no job refers to into `orphans`, for a day");
    }
    blobs.clear_aside(SystemTime::now() - KEPT).await.map_err(failed)?;
    Ok(())
}

/// The names of those that some job refers to.
async fn known(db: &impl GenericClient, page: &[Lying]) -> Result<HashSet<String>, Trouble> {
    let names: Vec<&str> = page.iter().map(|one| &*one.name).collect();
    let known = db.query("SELECT name FROM blob WHERE name = ANY($1) AND no > 0", &[&names]).await?;
    Ok(known.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}

/// Takes names; answers those that no job has got before.
async fn take(db: &impl GenericClient, names: &[&str], now: i64) -> Result<Vec<Box<str>>, Trouble> {
    db.execute(TAKE, &[&names, &now]).await?;
    let taken = db.query(TAKEN, &[&names]).await?;
    Ok(taken.iter().map(|row| row.try_get::<_, &str>(0).map(Box::from)).collect::<Result<_, _>>()?)
}
