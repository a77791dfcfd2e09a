//! P17: jobs are forgotten as fast as they come, where each is kept for a second only.

use std::{sync::Arc, time::Duration};

use raincheck::{
    bench::{Options, report::Row, series::Series, server::Server},
    cli::exit::Failure,
};
use tokio::time::{Instant, sleep};

use crate::{metrics, steady::Load};

const SETTINGS: &str = "[defaults]\nretention = { succeeded = \"1s\" }\n";
/// The first jobs are past their time, and cleaning up is as far behind as it gets.
const WARM: Duration = Duration::from_secs(4);

/// What was seen of a round.
struct Seen {
    /// Jobs a second that came to their end.
    done: f64,
    /// And that were forgotten.
    purged: f64,
    /// Done and not forgotten at the end, in seconds of the load.
    behind: f64,
}

/// Measures full lives, and how many jobs are forgotten meanwhile.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let (mut done, mut purged, mut behind) = (Series::default(), Series::default(), Series::default());
    for _ in 0..options.rounds {
        let folder = options.scratch()?;
        let settings = folder.path().join("raincheck.toml");
        let store = if settings.exists() { std::fs::read_to_string(&settings)? } else { String::new() };
        std::fs::write(&settings, format!("{SETTINGS}{store}"))?;
        let server = Server::start(options, folder.path())?;
        let load = Arc::new(Load::default());
        let (seen, ()) =
            tokio::try_join!(watch(&load, &server, options.time()), load.keep_up(&server, options.callers))?;
        done.push(seen.done);
        purged.push(seen.purged);
        behind.push(seen.behind);
    }
    let what =
        format!("jobs forgotten, each kept for a second, while {} callers submit and workers finish", options.callers);
    Ok(vec![
        Row::new("P17", what, purged, "jobs/s").over("done meanwhile", &done).at_least(0.9),
        Row::new("P17", "what is done and not forgotten, at the end", behind, "s of the load").at_most(4.0),
    ])
}

async fn watch(load: &Load, server: &Server, time: Duration) -> Result<Seen, Failure> {
    let purged = || metrics::value(server, "raincheck_jobs_purged_total");
    sleep(WARM).await;
    let (begin, before) = (Instant::now(), (load.done(), purged().await?));
    sleep(time).await;
    let (seconds, after) = (begin.elapsed().as_secs_f64(), (load.done(), purged().await?));
    load.end();
    let done = (after.0 - before.0) as f64 / seconds;
    Ok(Seen { done, purged: (after.1 - before.1) / seconds, behind: (after.0 as f64 - after.1) / done })
}
