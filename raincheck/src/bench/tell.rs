//! P8: from the completion of a job until those who watch it by server-sent events know.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::{
    Options,
    broken::broken,
    connection::{Connection, leases, post, request},
    load::histogram,
    report::Row,
    series::Series,
    server::{Server, job},
};
use crate::cli::exit::Failure;

/// Between two jobs, so that the server is idle again.
const PAUSE: Duration = Duration::from_millis(5);
/// Ends the snapshot, which every stream begins with.
const SNAPSHOT: &[u8] = b"}\n\n";
const SUCCEEDED: &[u8] = b"\"type\":\"succeeded\"";

/// Measures one watcher alone, one beside many idle ones, and many of one job.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let folders = (options.scratch()?, options.scratch()?);
    let (alone, beside) = (Server::start(folders.0.path())?, Server::start(folders.1.path())?);
    let (idle, _) = submit(&beside).await?;
    let _idle = watch(&beside, &idle, options.watchers).await?;
    let mut quantiles = [Series::default(), Series::default(), Series::default(), Series::default()];
    let mut last = Series::default();
    for _ in 0..options.rounds {
        for (index, server) in [&alone, &beside].into_iter().enumerate() {
            let times = one_by_one(server, options.each_second(40)).await?;
            quantiles[2 * index].push(millis(&times, 0.5));
            quantiles[2 * index + 1].push(millis(&times, 0.99));
        }
        last.push(many(&alone, options.watchers).await?);
    }
    let [p50, p99, beside_p50, beside_p99] = quantiles;
    let watchers = options.watchers;
    let row = |what: String, series, goal| Row::new("P8", what, series, "ms").at_most(goal);
    Ok(vec![
        row("completion → watcher told, alone, p50".to_owned(), p50, 1.0),
        row("completion → watcher told, alone, p99".to_owned(), p99, 5.0),
        row(format!("completion → watcher told, beside {watchers} idle ones, p50"), beside_p50, 2.0),
        row(format!("completion → watcher told, beside {watchers} idle ones, p99"), beside_p99, 10.0),
        row(format!("completion → the last of {watchers} watchers of one job told"), last, 100.0),
    ])
}

fn millis(times: &Histogram<u64>, share: f64) -> f64 {
    times.value_at_quantile(share) as f64 / 1_000.0
}

/// One job after the other, with one watcher each: how long after its completion was sent it was told.
async fn one_by_one(server: &Server, count: usize) -> Result<Histogram<u64>, Failure> {
    const WARM_UP: usize = 5;
    let mut times = histogram()?;
    for round in 0..count + WARM_UP {
        let (id, lease) = submit(server).await?;
        let mut watcher = watch(server, &id, 1).await?.pop().ok_or_else(|| broken("no watcher"))?;
        let mut worker = server.connect().await?;
        tokio::time::sleep(PAUSE).await;
        let complete = post(&format!("/leases/{lease}/complete"), b"{\"ok\":true}");
        let begin = Instant::now();
        let elapsed = async {
            watcher.until(SUCCEEDED).await?;
            Ok::<_, Failure>(begin.elapsed())
        };
        let (elapsed, _) = tokio::try_join!(elapsed, worker.expect(&complete, 200))?;
        if round >= WARM_UP {
            times.saturating_record(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
        }
    }
    Ok(times)
}

/// One job with many watchers: how long until the last of them was told, milliseconds.
async fn many(server: &Server, watchers: usize) -> Result<f64, Failure> {
    let (id, lease) = submit(server).await?;
    let mut tasks = JoinSet::new();
    for mut watcher in watch(server, &id, watchers).await? {
        tasks.spawn(async move {
            watcher.until(SUCCEEDED).await?;
            Ok::<_, Failure>(Instant::now())
        });
    }
    let mut worker = server.connect().await?;
    tokio::time::sleep(PAUSE).await;
    let begin = Instant::now();
    worker.expect(&post(&format!("/leases/{lease}/complete"), b"{\"ok\":true}"), 200).await?;
    let mut last = begin;
    while let Some(elapsed) = tasks.join_next().await {
        last = last.max(elapsed.map_err(broken)??);
    }
    Ok((last - begin).as_secs_f64() * 1_000.0)
}

/// A job that runs: its id and its lease.
async fn submit(server: &Server) -> Result<(String, String), Failure> {
    let mut connection = server.connect().await?;
    let id = connection.expect(&post("/jobs", &job()), 202).await?.member("id")?;
    let ask = post("/leases", b"{\"worker\":{\"name\":\"bench\"},\"kinds\":[\"bench\"],\"max\":1,\"ttl\":\"1h\"}");
    let answer = connection.expect(&ask, 200).await?;
    let lease = leases(answer.body).into_iter().next().ok_or_else(|| broken("no lease in the answer"))?;
    Ok((id, String::from_utf8_lossy(&answer.body[lease]).into_owned()))
}

/// Opens so many streams of a job's events; each has said how the job is.
pub async fn watch(server: &Server, id: &str, count: usize) -> Result<Vec<Connection>, Failure> {
    let watch = request("GET", &format!("/jobs/{id}/events"), &[("accept", "text/event-stream")], b"");
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = server.connect().await?;
        stream.begin(&watch).await?;
        stream.until(SNAPSHOT).await?;
        streams.push(stream);
    }
    Ok(streams)
}
