//! P5: preloaded jobs, leased in batches of 32, each batch finished in the request that leases the next.

use std::time::Instant;

use super::{Options, feed, load::median, report::Row, server::Server};
use crate::cli::exit::Failure;

/// Measures the drain of no-op jobs; state, result and three events of each stay.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let count = 20_000 * usize::try_from(options.time().as_secs()).unwrap_or(1);
    let mut rates = Vec::new();
    for _ in 0..options.rounds() {
        let folder = options.scratch()?;
        let server = Server::start(folder.path())?;
        server.fill(count).await?;
        let begin = Instant::now();
        feed::drain(server.address, count, 32).await?;
        rates.push(count as f64 / begin.elapsed().as_secs_f64());
    }
    let what = format!("drain of {count} jobs, batches of 32, {} workers", feed::WORKERS);
    Ok(vec![Row::rate("P5", what, median(rates), "jobs/s").note("state, result and events kept".to_owned())])
}
