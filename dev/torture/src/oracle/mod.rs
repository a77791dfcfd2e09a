//! Judges: the clients' own log against the feed and the store, when everything has ended.
//! Each file checks one group of the invariants.

mod clients;
mod feed;
mod history;
mod runs;
mod stats;
mod store;

use anyhow::Result;

use crate::http::Http;
use crate::log::Log;

use store::read;

/// Reads all of it and checks every invariant; what does not hold becomes a complaint in the log.
pub async fn judge(http: &Http, log: &Log) -> Result<()> {
    let store = read(http).await?;
    clients::check(http, log, &store).await?;
    runs::check(http, log, &store).await?;
    stats::check(http, log, &store).await?;
    history::check(log, &store);
    feed::check(log, &store);
    Ok(())
}
