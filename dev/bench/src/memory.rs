//! P11: resident memory.

use std::time::Duration;

use raincheck::{
    bench::{
        Options,
        broken::broken,
        connection::post,
        load,
        report::Row,
        series::Series,
        server::{Server, job},
    },
    cli::exit::Failure,
};

use crate::{sizes::Sizes, tell};

const MIB: f64 = 1_048_576.0;

/// Measures it idle, with many jobs waiting under load, and for each idle watcher.
pub async fn measure(options: &Options, sizes: &Sizes) -> Result<Vec<Row>, Failure> {
    let (mut idle, mut watcher, mut loaded) = (Series::default(), Series::default(), Series::default());
    for _ in 0..options.rounds {
        let folder = options.scratch()?;
        let server = Server::start(options, folder.path())?;
        tokio::time::sleep(Duration::from_secs(1).min(options.time())).await;
        let before = resident(&server)?;
        idle.push(before / MIB);
        let id = server.connect().await?.expect(&post("/jobs", &job()), 202).await?.member("id")?;
        let streams = tell::watch(&server, &id, sizes.watchers).await?;
        watcher.push((resident(&server)? - before).max(0.0) / sizes.watchers as f64 / 1_024.0);
        drop((streams, server));
        let folder = options.scratch()?;
        let server = Server::start(options, folder.path())?;
        server.fill(sizes.jobs).await?;
        load::run(server.address, &post("/jobs", &job()), 202, options.callers, options.time()).await?;
        loaded.push(resident(&server)? / MIB);
    }
    let (jobs, watchers) = (sizes.jobs, sizes.watchers);
    Ok(vec![
        Row::new("P11", "resident, idle", idle, "MiB").at_most(20.0),
        Row::new("P11", format!("resident, {jobs} waiting, under load"), loaded, "MiB").at_most(100.0),
        Row::new("P11", format!("resident for an idle watcher, of {watchers}"), watcher, "KiB").at_most(16.0),
    ])
}

/// Its resident memory, bytes. Linux only.
fn resident(server: &Server) -> Result<f64, Failure> {
    let kib = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    let kib = kib().ok_or_else(|| broken("this system does not tell the memory of a process"))?;
    Ok((kib * 1_024) as f64)
}
