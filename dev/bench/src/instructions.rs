//! Instructions of the hot paths, counted by valgrind: unlike time they hardly change from run to run, so a change of
//! one percent can be seen on a busy machine.
//!
//! A path is walked `n` times in one process and `2 n` times in another. The difference over `n` is the path alone, in
//! all threads: what belongs to the start cancels out.

use std::{
    ffi::OsString,
    path::Path,
    process::{Command as Program, Stdio},
    sync::Arc,
};

use clap::ValueEnum;
use raincheck::{
    bench::{
        Options,
        broken::broken,
        connection::{Connection, leases, post, request},
        report::Row,
        series::Series,
        server::{self, Server, job},
    },
    cli::exit::{Exit, Failure},
};
use raincheck_core::{
    Command, JobId, JobNo, LeaseJobs, Name, NewJob, Outcome, QueueFacts, Reply, Settle, Spec, SteadyClock, Timestamp,
    decide::{self, Moment, SubmitFacts},
};
use raincheck_store::{SqliteOptions, SqliteStore, Store};
use rand::{SeedableRng as _, rngs::StdRng};

use crate::{
    hot_path::{BATCH, HotPath},
    preload::{self, Jobs, json},
};

/// Counts all of them.
pub async fn measure(options: &Options) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for path in HotPath::value_variants() {
        let ((walks, each), mut series) = (path.walks(), Series::default());
        for _ in 0..options.rounds {
            let (once, twice) = (count(*path, walks, options).await?, count(*path, 2 * walks, options).await?);
            if twice <= once {
                return Err(broken("twice the work took no more instructions"));
            }
            series.push((twice - once) as f64 / (walks * each) as f64);
        }
        rows.push(Row::new("I", path.what(), series, "instructions"));
    }
    Ok(rows)
}

/// Instructions of a process that does it so many times.
async fn count(path: HotPath, times: usize, options: &Options) -> Result<u64, Failure> {
    let folder = options.scratch()?;
    let log = folder.path().join("valgrind");
    let mut prefix: Vec<OsString> =
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"].map(OsString::from).into();
    prefix.push(format!("--log-file={}", log.display()).into());
    if matches!(path, HotPath::Run | HotPath::Life) {
        // As many in both processes.
        let (walks, each) = path.walks();
        preload::fill(folder.path(), 2 * walks * each, Jobs::Waiting).await?;
    }
    match path {
        HotPath::Livez | HotPath::Get | HotPath::Unchanged | HotPath::Post | HotPath::Life => {
            serve(options, path, times, &prefix, folder.path()).await?;
        }
        HotPath::Decide | HotPath::Submit | HotPath::Run => {
            let mut program = Program::new(&prefix[0]);
            program.args(&prefix[1..]).arg(std::env::current_exe()?).arg("--walk");
            let name = path.to_possible_value().ok_or_else(|| broken("a path without a name"))?;
            program.arg(name.get_name()).arg("--times").arg(times.to_string()).arg("--folder").arg(folder.path());
            let ended = program.stdin(Stdio::null()).stdout(Stdio::null()).status().map_err(broken)?;
            if !ended.success() {
                return Err(broken(format!("{} failed", path.what())));
            }
        }
    }
    let text = std::fs::read_to_string(&log).map_err(broken)?;
    let collected = text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.ok_or_else(|| broken(format!("valgrind counted nothing: {text}")))
}

/// Sends a server so many requests, one after the other.
async fn serve(
    options: &Options,
    path: HotPath,
    times: usize,
    prefix: &[OsString],
    folder: &Path,
) -> Result<(), Failure> {
    let server = Server::start_under(options, prefix, folder)?;
    let mut connection = server.connect().await?;
    if path == HotPath::Life {
        live(&mut connection, times).await?;
    } else {
        let answer = connection.expect(&post("/jobs", &job()), 202).await?;
        let url = format!("/jobs/{}", answer.member("id")?);
        let etag = answer.header("etag").ok_or_else(|| broken("a job without an ETag"))?;
        let (request, status) = match path {
            HotPath::Post => (post("/jobs", &job()), 202),
            HotPath::Get => (request("GET", &url, &[], b""), 202),
            HotPath::Unchanged => (request("GET", &url, &[("if-none-match", &etag)], b""), 304),
            _ => (request("GET", "/livez", &[], b""), 200),
        };
        for _ in 0..times {
            connection.expect(&request, status).await?;
        }
    }
    drop(connection);
    server.stop()
}

/// Leases and completes so many jobs, one after the other.
async fn live(connection: &mut Connection, times: usize) -> Result<(), Failure> {
    let ask = post("/leases", b"{\"worker\":{\"name\":\"bench\"},\"kinds\":[\"bench\"],\"max\":1,\"ttl\":\"1h\"}");
    for _ in 0..times {
        let answer = connection.expect(&ask, 200).await?;
        let lease = leases(answer.body).into_iter().next().ok_or_else(|| broken("no lease in the answer"))?;
        let lease = String::from_utf8_lossy(&answer.body[lease]).into_owned();
        connection.expect(&post(&format!("/leases/{lease}/complete"), b"{\"ok\":true}"), 200).await?;
    }
    Ok(())
}

/// Walks a path in this process, which valgrind watches.
pub async fn walk(path: HotPath, times: usize, folder: &Path) -> Result<Exit, Failure> {
    let (queue, kind) = (Name::new("default").map_err(broken)?, Name::new("bench").map_err(broken)?);
    let spec = Spec { input: json(&server::input()), ..Spec::default() };
    let new = NewJob { spec: Box::new(spec), ..NewJob::new(queue, kind.clone()) };
    if path == HotPath::Decide {
        decide_submits(&new, times)?;
        return Ok(Exit::Done);
    }
    let options =
        SqliteOptions { clock: Arc::new(SteadyClock::default()), ..SqliteOptions::in_folder(&folder.join("data")) };
    let store = SqliteStore::open(options).map_err(broken)?;
    let lease = LeaseJobs {
        worker: "bench".into(),
        queues: Vec::new(),
        kinds: vec![kind],
        patterns: Vec::new(),
        max: BATCH,
        ttl: 3_600_000,
        request_id: None,
    };
    for _ in 0..times {
        if path == HotPath::Submit {
            let submits = (0..BATCH).map(|_| Command::Submit(vec![new.clone()])).collect();
            let replies = store.apply(submits).await.map_err(broken)?;
            if !replies.iter().all(|reply| matches!(reply, Reply::Submitted(_))) {
                return Err(broken("a submit was refused"));
            }
            continue;
        }
        let replies = store.apply(vec![Command::Lease(lease.clone())]).await.map_err(broken)?;
        let Some(Reply::Leased(leased)) =
            replies.into_iter().next().filter(|reply| matches!(reply, Reply::Leased(jobs) if jobs.len() == BATCH))
        else {
            return Err(broken("fewer jobs than asked for were leased"));
        };
        let settle = |(job, _): &(raincheck_core::Job, Spec)| {
            Command::Settle(Settle { lease: job.lease_ref(), outcome: Outcome::Complete(json("{\"ok\":true}")) })
        };
        let replies = store.apply(leased.iter().map(settle).collect()).await.map_err(broken)?;
        if !replies.iter().all(|reply| matches!(reply, Reply::Job(job) if job.state.is_final())) {
            return Err(broken("a run was not finished"));
        }
    }
    store.close().await;
    Ok(Exit::Done)
}

fn decide_submits(new: &NewJob, times: usize) -> Result<(), Failure> {
    let mut rng = StdRng::seed_from_u64(1);
    let queue = QueueFacts { max_queued: u64::MAX, max_in_all: u64::MAX, ..QueueFacts::default() };
    for number in 1..=times {
        let mut moment = Moment { now: Timestamp(1_800_000_000_000), tick: 1, rng: &mut rng, follow: None };
        let fresh = (JobNo(number as i64), JobId(uuid::Uuid::from_u128(number as u128)));
        let facts = SubmitFacts { queue: queue.clone(), ..SubmitFacts::default() };
        let decided = decide::submit(std::hint::black_box(new).clone(), facts, fresh, &mut moment);
        if std::hint::black_box(decided).is_err() {
            return Err(broken("a submit was refused"));
        }
    }
    Ok(())
}
