//! P7: on an idle server, from the submit until a waiting worker has the job.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{
    Options,
    broken::broken,
    connection::{leases, post},
    load::histogram,
    report::Row,
    series::Series,
    server::{Server, job},
};
use crate::cli::{exit::Failure, stderr};

/// Between two jobs, so that the server is idle again.
const PAUSE: Duration = Duration::from_millis(5);

/// Measures the wake-up, and counts the syncs of a job where strace is there to count them.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let folder = options.scratch()?;
    let server = Server::start(options, folder.path())?;
    let jobs = options.each_second(100);
    let (mut p50, mut p99) = (Series::default(), Series::default());
    cycle(&server, 10, true).await?;
    for _ in 0..options.rounds {
        let mut times = histogram()?;
        for time in cycle(&server, jobs, true).await? {
            times.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
        p50.push(times.value_at_quantile(0.5) as f64 / 1_000.0);
        p99.push(times.value_at_quantile(0.99) as f64 / 1_000.0);
    }
    let mut rows = vec![
        Row::new("P7", "submit → waiting worker has it, p50", p50, "ms").at_most(1.0).note(format!("{jobs} jobs")),
        Row::new("P7", "submit → waiting worker has it, p99", p99, "ms").at_most(5.0),
    ];
    drop(server);
    match syncs(options).await {
        Ok(syncs) => rows.push(Row::new("P7", "syncs a job, submit and lease", syncs, "").at_most(6.0)),
        Err(failure) => stderr::say(&format!("the syncs of a job are not counted: {failure}")),
    }
    Ok(rows)
}

/// Submits a job while a worker waits, `rounds` times; how long each took to reach it.
async fn cycle(server: &Server, rounds: usize, complete: bool) -> Result<Vec<Duration>, Failure> {
    let mut worker = server.connect().await?;
    let mut caller = server.connect().await?;
    let submit = post("/jobs", &job());
    let ask = post("/leases", b"{\"worker\":{\"name\":\"bench\"},\"kinds\":[\"bench\"],\"max\":1,\"wait\":\"20s\"}");
    let mut times = Vec::new();
    for _ in 0..rounds {
        let waiting = async {
            let answer = worker.expect(&ask, 200).await?;
            let now = Instant::now();
            let lease = leases(answer.body)
                .into_iter()
                .next()
                .map(|range| String::from_utf8_lossy(&answer.body[range]).into_owned());
            Ok::<_, Failure>((now, lease.ok_or_else(|| broken("no lease in the answer"))?))
        };
        let submitting = async {
            // The worker has to be waiting by then.
            tokio::time::sleep(PAUSE).await;
            let begin = Instant::now();
            caller.expect(&submit, 202).await?;
            Ok::<_, Failure>(begin)
        };
        let ((had, lease), begin) = tokio::try_join!(waiting, submitting)?;
        times.push(had.saturating_duration_since(begin));
        if complete {
            worker.expect(&post(&format!("/leases/{lease}/complete"), b"true"), 200).await?;
        }
    }
    Ok(times)
}

/// Syncs a job, counted by strace.
async fn syncs(options: &Options) -> Result<f64, Failure> {
    const JOBS: usize = 40;
    let folder = options.scratch()?;
    let trace = folder.path().join("trace");
    let server = Server::start_traced(options, folder.path(), "fdatasync,fsync,sync_file_range", &trace)?;
    cycle(&server, 5, false).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = count(&trace)?;
    cycle(&server, JOBS, false).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok((count(&trace)? - before) as f64 / JOBS as f64)
}

fn count(trace: &Path) -> Result<usize, Failure> {
    let text = std::fs::read_to_string(trace).map_err(broken)?;
    // A call that another thread interrupts in the listing takes two lines, of which one says "resumed".
    Ok(text.lines().filter(|line| line.contains("sync") && !line.contains("resumed")).count())
}
