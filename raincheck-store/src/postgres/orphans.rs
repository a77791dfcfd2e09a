//! Moves payloads aside that no job refers to. Other nodes write into the same place meanwhile.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, SystemTime};

use tokio_postgres::GenericClient;

use super::shared::Trouble;
use crate::blobs::{Blobs, KEPT, Lying};

/// One younger than this may be one that another node has finished and whose job is not on disk yet, or is writing.
const YOUNG: Duration = Duration::from_secs(24 * 3_600);
/// Names asked for at once.
const PAGE: usize = 1_000;

/// Everything that lies there. To be called before this node takes its number: a node that comes later finds that it is
/// not the first, so when this one is, nobody has any of these in hand, whatever the clocks say.
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
    let now = SystemTime::now();
    let is_old = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age > YOUNG);
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
        let names = page.iter().map(|one| &one.name);
        let unknown: Vec<Box<str>> = names.filter(|name| !known.contains(&***name)).cloned().collect();
        if !unknown.is_empty() {
            swept += blobs.set_aside(unknown).await.map_err(failed)?;
        }
    }
    if swept > 0 {
        tracing::info!(swept, "moved payloads that no job refers to into `orphans`, for a day");
    }
    blobs.clear_aside(now - KEPT).await.map_err(failed)?;
    Ok(())
}

/// The names of those that some job refers to.
async fn known(db: &impl GenericClient, page: &[Lying]) -> Result<HashSet<String>, Trouble> {
    let names: Vec<&str> = page.iter().map(|one| &*one.name).collect();
    let known = db.query("SELECT name FROM blob WHERE name = ANY($1)", &[&names]).await?;
    Ok(known.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
}
