//! Removes files that no job refers to. Other nodes write into the same folder meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use tokio_postgres::GenericClient;

use super::shared::Trouble;
use crate::blobs::Blobs;

/// A file younger than this may be one that another node has finished and whose job is not on disk yet.
const YOUNG: Duration = Duration::from_secs(24 * 3_600);
/// Names asked for at once.
const PAGE: usize = 1_000;

/// Looks at all files there are when this begins, where this node is the first; at old ones where there are others.
pub(super) async fn sweep(db: &impl GenericClient, blobs: &Blobs, is_first: bool) -> Result<(), Trouble> {
    let folder = |e: std::io::Error| Trouble::Unsuitable(format!("sweeping blobs: {e}"));
    let now = blobs.moment().map_err(folder)?;
    let old = blobs.written_by(if is_first { now } else { now - YOUNG }).map_err(folder)?;
    let mut swept = 0;
    for page in old.chunks(PAGE) {
        let names: Vec<&str> = page.iter().map(|name| &**name).collect();
        let known = db.query("SELECT name FROM blob WHERE name = ANY($1)", &[&names]).await?;
        let known: HashSet<&str> = known.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        for name in names.into_iter().filter(|name| !known.contains(name)) {
            blobs.remove(name).map_err(folder)?;
            swept += 1;
        }
    }
    if swept > 0 {
        tracing::info!(swept, "removed files that no job refers to");
    }
    Ok(())
}
