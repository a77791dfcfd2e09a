//! P14: a command worker that runs `/bin/true`, against a bare loop that does nothing but start it.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use raincheck::{
    bench::{
        Options,
        broken::broken,
        connection::{post, request},
        report::Row,
        series::Series,
        server::Server,
    },
    cli::exit::Failure,
};

const PROGRAM: &str = "/bin/true";
/// Programs at once.
const AT_ONCE: usize = 4;

/// Measures both in turns.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let folder = options.scratch()?;
    let settings = format!("[kinds.\"bench.true\"]\nrun = [\"{PROGRAM}\"]\nworkers = {AT_ONCE}\n");
    std::fs::write(folder.path().join("raincheck.toml"), settings)?;
    let server = Server::start(options, folder.path())?;
    let (mut jobs, mut bare) = (Series::default(), Series::default());
    let mut done = 0;
    run(&server, &mut done, 20).await?;
    for _ in 0..options.rounds {
        let time = options.time() / 2;
        let rate = tokio::task::spawn_blocking(move || forks(time)).await.map_err(broken)??;
        bare.push(rate);
        // As many as take about as long at the pace hoped for.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let count = (rate * 0.6 * time.as_secs_f64()).max(1.0) as usize;
        jobs.push(count as f64 / run(&server, &mut done, count).await?.as_secs_f64());
    }
    Ok(vec![
        Row::new("P14", format!("jobs that run {PROGRAM}, {AT_ONCE} at once"), jobs, "jobs/s")
            .over("bare fork, exec and wait", &bare)
            .at_least(0.6),
    ])
}

/// Submits `count` jobs and waits until all of them have succeeded, after the `done` ones before.
async fn run(server: &Server, done: &mut u64, count: usize) -> Result<Duration, Failure> {
    let mut connection = server.connect().await?;
    let states = request("GET", "/queues/default", &[], b"");
    *done += count as u64;
    let begin = Instant::now();
    let mut left = count;
    while left > 0 {
        let batch = left.min(1_000);
        let jobs = vec!["{\"kind\":\"bench.true\"}"; batch].join(",");
        connection.expect(&post("/jobs/batch", format!("{{\"jobs\":[{jobs}]}}").as_bytes()), 202).await?;
        left -= batch;
    }
    loop {
        let answer = connection.expect(&states, 200).await?;
        if answer.number("failed")? > 0 || answer.number("canceled")? > 0 {
            return Err(broken("a job that runs a program failed"));
        }
        if answer.number("succeeded")? >= *done {
            return Ok(begin.elapsed());
        }
        if answer.number("queued")? + answer.number("running")? == 0 && answer.number("scheduled")? > 0 {
            return Err(broken("a job that runs a program has to be tried again"));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Programs started and waited for in a second.
fn forks(time: Duration) -> Result<f64, Failure> {
    let begin = Instant::now();
    let threads: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            std::thread::spawn(move || {
                let mut count = 0_u32;
                while begin.elapsed() < time {
                    let mut command = Command::new(PROGRAM);
                    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
                    if !status.success() {
                        return Err(broken(format!("{PROGRAM} failed")));
                    }
                    count += 1;
                }
                Ok::<_, Failure>(count)
            })
        })
        .collect();
    let mut total = 0;
    for thread in threads {
        total += thread.join().map_err(|_| broken("a thread panicked"))??;
    }
    Ok(f64::from(total) / begin.elapsed().as_secs_f64())
}
