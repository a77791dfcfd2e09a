//! Removes payloads that no job refers to. Other nodes write into the same place meanwhile.

use std::collections::HashSet;
use std::io;
use std::time::{Duration, SystemTime};

use tokio_postgres::GenericClient;

use super::shared::Trouble;
use crate::blobs::{Blobs, Lying};

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

/// Removes those that nobody will ever ask for: all of them, where this node is the first; old ones where there are others.
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
    let mut swept = broken.len();
    for page in finished.chunks(PAGE) {
        let names: Vec<&str> = page.iter().map(|one| &*one.name).collect();
        let known = db.query("SELECT name FROM blob WHERE name = ANY($1)", &[&names]).await?;
        let known: HashSet<&str> = known.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let unknown: Vec<Box<str>> = names.into_iter().filter(|name| !known.contains(name)).map(Box::from).collect();
        swept += unknown.len();
        if !unknown.is_empty() {
            blobs.remove(unknown).await.map_err(failed)?;
        }
    }
    if swept > 0 {
        tracing::info!(swept, "removed payloads that no job refers to");
    }
    Ok(())
}
