//! P5: preloaded jobs, leased in batches of 32, each batch finished in the request that leases the next.

use std::time::Instant;

use super::{Options, feed, report::Row, series::Series, server::Server};
use crate::cli::exit::Failure;

/// Measures the drain of no-op jobs; state, result and three events of each stay.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let count = options.each_second(20_000);
    let mut rates = Series::default();
    for _ in 0..options.rounds {
        let folder = options.scratch()?;
        let server = Server::start(options, folder.path())?;
        server.fill(count / 10).await?;
        feed::drain(server.address, count / 10, 32).await?;
        server.fill(count).await?;
        let begin = Instant::now();
        feed::drain(server.address, count, 32).await?;
        rates.push(count as f64 / begin.elapsed().as_secs_f64());
    }
    let what = format!("drain of {count} jobs, batches of 32, {} workers", feed::WORKERS);
    Ok(vec![Row::new("P5", what, rates, "jobs/s").note("state, result and events kept")])
}
