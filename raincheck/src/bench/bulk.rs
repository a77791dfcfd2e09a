//! P4: submits of 1,000 jobs a call.

use super::{Options, load::median, report::Row, server::Server};
use crate::cli::exit::Failure;

/// Measures bulk submits.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let mut rates = Vec::new();
    for _ in 0..options.rounds() {
        let folder = options.scratch()?;
        let server = Server::start(folder.path())?;
        server.fill(2_000).await?;
        // As many as last about the time asked for.
        let probe = server.fill(20_000).await?;
        let count = 20_000.0 * options.time().as_secs_f64() / probe.as_secs_f64().max(0.001);
        let count = (count / 1_000.0).clamp(20.0, 5_000.0).round() * 1_000.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most five million")]
        let took = server.fill(count as usize).await?;
        rates.push(count / took.as_secs_f64());
    }
    Ok(vec![Row::rate("P4", "bulk submits, 1,000 jobs a call, 4 connections".to_owned(), median(rates), "jobs/s")])
}
