//! P11: resident memory.

use std::time::Duration;

use super::{
    Options,
    broken::broken,
    connection::post,
    load,
    report::Row,
    series::Series,
    server::{Server, job},
    tell,
};
use crate::cli::exit::Failure;

const MIB: f64 = 1_048_576.0;

/// Measures it idle, with many jobs waiting under load, and for each idle watcher.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let (mut idle, mut watcher, mut loaded) = (Series::default(), Series::default(), Series::default());
    for _ in 0..options.rounds {
        let folder = options.scratch()?;
        let server = Server::start(folder.path())?;
        tokio::time::sleep(Duration::from_secs(1).min(options.time())).await;
        let before = resident(&server)?;
        idle.push(before / MIB);
        let id = server.connect().await?.expect(&post("/jobs", &job()), 202).await?.member("id")?;
        let streams = tell::watch(&server, &id, options.watchers).await?;
        watcher.push((resident(&server)? - before).max(0.0) / options.watchers as f64 / 1_024.0);
        drop((streams, server));
        let folder = options.scratch()?;
        let server = Server::start(folder.path())?;
        server.fill(options.jobs).await?;
        load::run(server.address, &post("/jobs", &job()), 202, options.callers, options.time()).await?;
        loaded.push(resident(&server)? / MIB);
    }
    let (jobs, watchers) = (options.jobs, options.watchers);
    Ok(vec![
        Row::new("P11", "resident, idle", idle, "MiB").at_most(20.0),
        Row::new("P11", format!("resident, {jobs} waiting, under load"), loaded, "MiB").at_most(100.0),
        Row::new("P11", format!("resident for an idle watcher, of {watchers}"), watcher, "KiB").at_most(16.0),
    ])
}

fn resident(server: &Server) -> Result<f64, Failure> {
    let bytes = server.memory().ok_or_else(|| broken("this system does not tell the memory of a process"))?;
    Ok(bytes as f64)
}
