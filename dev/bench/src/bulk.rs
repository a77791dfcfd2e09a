//! P4: submits of 1,000 jobs a call.

use raincheck::{
    bench::{Options, report::Row, series::Series, server::Server},
    cli::exit::Failure,
};

/// Measures bulk submits.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let mut rates = Series::default();
    for _ in 0..options.rounds {
        let folder = options.scratch()?;
        let server = Server::start(options, folder.path())?;
        server.fill(2_000).await?;
        // As many as last about the time asked for.
        let probe_count = options.each_second(4_000);
        let probe = server.fill(probe_count).await?;
        let count = probe_count as f64 * options.seconds / probe.as_secs_f64().max(0.001);
        let count = (count / 1_000.0).clamp(4.0, 5_000.0).round() * 1_000.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most five million")]
        let took = server.fill(count as usize).await?;
        rates.push(count / took.as_secs_f64());
    }
    Ok(vec![Row::new("P4", "bulk submits, 1,000 jobs a call, 4 connections", rates, "jobs/s")])
}
