//! P10: submits and drains with many finished jobs kept, and while they are being purged.

use std::time::Duration;

use raincheck::{
    bench::{Options, broken::broken, report::Row, server::Server},
    cli::exit::Failure,
};

use crate::{
    metrics,
    preload::{self, Jobs},
    side::Side,
};

/// Longer than what succeeded is kept by default.
const LONG_AGO: Duration = Duration::from_secs(4 * 24 * 3_600);
/// Past their time, where that is measured: more than are purged meanwhile.
const MOST_EXPIRED: usize = 2_000_000;

/// Measures an empty server, one with many, and one that purges, in turns.
pub async fn measure(options: &Options, finished: usize) -> Result<Vec<Row>, Failure> {
    let folders = (options.scratch()?, options.scratch()?, options.scratch()?);
    let (empty, kept, purging) = (folders.0.path(), folders.1.path(), folders.2.path());
    let expired = finished.min(MOST_EXPIRED);
    preload::fill(kept, finished, Jobs::Finished { ago: Duration::ZERO }).await?;
    preload::fill(purging, expired, Jobs::Finished { ago: LONG_AGO }).await?;
    let mut empty = Side::new(Server::start(options, empty)?)?;
    let mut kept = Side::new(Server::start(options, kept)?)?;
    let mut purging = Side::new(Server::start(options, purging)?)?;
    for _ in 0..options.rounds {
        for side in [&mut empty, &mut kept, &mut purging] {
            side.turn(options).await?;
        }
    }
    purging.resume()?;
    let purged = metrics::value(&purging.server, "raincheck_jobs_purged_total").await?;
    if !(1.0..expired as f64).contains(&purged) {
        return Err(broken(format!("{purged} of {expired} expired jobs were purged: choose another --finished")));
    }
    let mut rows = Vec::new();
    let none = "none finished";
    rows.extend(kept.rows("P10", &format!("with {finished} finished"), &empty, none));
    rows.extend(purging.rows("P10", "during the purge", &empty, none).map(|row| row.note(format!("{purged} purged"))));
    Ok(rows.into_iter().map(|row| row.at_least(0.9)).collect())
}
