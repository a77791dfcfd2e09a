//! The server is stopped for longer than a lease, again and again: what its workers hold, they still hold afterwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Signal, kill_process};
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::campaign::{Order, runtime};
use crate::http::Http;
use crate::load::Mix;
use crate::queues::PROBE;
use crate::round::Round;
use crate::server::Launch;
use crate::tally::Tally;
use crate::wire::{Job, Leases, State};

/// Workers that hold a lease across every stop.
const HOLDERS: usize = 20;
/// Runs of the server's own across every stop.
const NAPS: usize = 3;
/// Length of the holders' leases.
const TTL: &str = "2s";
/// A third of it, as the server asks for.
const BEAT: Duration = Duration::from_millis(666);
/// A command that was under way when the server was stopped ends well within this.
const NAP_ENDS: Duration = Duration::from_secs(20);

/// One loop is one stop.
pub fn run(order: &Order) -> Result<Tally> {
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let mix = Mix { submitters: 2, workers: 2, ..Mix::default() };
    let mut round = Round::new(order.name, order.seed, mix)?;
    let mut rng = StdRng::seed_from_u64(order.seed);
    // The program does not stop with the server: it goes on, and has ended before the server does.
    let settings = format!("[kinds.nap]\nrun = [\"sh\", \"-c\", \"sleep 2; echo 1\"]\nworkers = {NAPS}\n");
    std::fs::write(round.folder().join("raincheck.toml"), settings)?;
    round.start(&Launch::new(round.folder())?).await?;
    let pid = round.server()?.pid()?;
    let (_place, here) = watch::channel(vec![round.server()?.url.as_str().into()]);
    let http = Http::new(here, round.log.clone())?;
    let beats = Arc::new(AtomicU64::new(0));
    for number in 0..order.loops {
        let mut naps = Vec::new();
        for _ in 0..NAPS {
            naps.push(submit(&http, "nap").await?);
        }
        for id in &naps {
            started(&http, *id).await?;
        }
        let over = Arc::new(Notify::new());
        let mut holders = JoinSet::new();
        for _ in 0..HOLDERS {
            submit(&http, PROBE).await?;
            holders.spawn(hold(http.clone(), lease(&http).await?, over.clone(), beats.clone()));
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..700))).await;
        kill_process(pid, Signal::STOP)?;
        let stopped = Duration::from_millis(rng.random_range(2_500..3_500));
        tokio::time::sleep(stopped).await;
        kill_process(pid, Signal::CONT)?;
        round.log.write(|records| records.faults += 1);
        // Every holder has been heard again before it ends: whoever was given up by then learns of it.
        let heard = beats.load(Ordering::Relaxed) + 2 * HOLDERS as u64;
        while beats.load(Ordering::Relaxed) < heard && !holders.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        over.notify_waiters();
        let lost: Vec<String> =
            holders.join_all().await.into_iter().filter_map(Result::err).map(|e| format!("{e:#}")).collect();
        ensure!(
            lost.is_empty(),
            "stop {number} of {stopped:?}: {} of {HOLDERS} live workers lost their leases: {}",
            lost.len(),
            lost[0]
        );
        for id in naps {
            let job = tokio::time::timeout(NAP_ENDS, ended(&http, id)).await.context("a nap does not end")??;
            ensure!(job.attempt == 1, "stop {number}: a command that was under way ran {} times", job.attempt);
        }
    }
    let tally = round.judge().await?;
    let note = format!(
        "{} leases of {TTL} outlived stops of three seconds, and {} commands ran once",
        HOLDERS * order.loops as usize,
        NAPS * order.loops as usize
    );
    Ok(Tally { loops: order.loops.into(), faults: order.loops.into(), notes: vec![note], ..tally })
}

async fn submit(http: &Http, kind: &str) -> Result<uuid::Uuid> {
    let answer = http.post("/jobs", &json!({"kind": kind, "queue": PROBE})).await.ok().context("broken")?;
    Ok(answer.json::<Job>()?.id)
}

/// Leases the job that was submitted just now.
async fn lease(http: &Http) -> Result<String> {
    let ask = json!({"worker": {"name": "holder"}, "kinds": [PROBE], "max": 1, "wait": "10s", "ttl": TTL});
    let leases: Leases = http.post("/leases", &ask).await.ok().context("broken")?.json()?;
    Ok(leases.leases.first().context("a job was queued and not leased")?.lease.clone())
}

/// Beats until all is over, then completes; an error when the lease was lost on the way.
async fn hold(http: Http, lease: String, over: Arc<Notify>, beats: Arc<AtomicU64>) -> Result<()> {
    let over = over.notified();
    tokio::pin!(over);
    loop {
        let beat = http.post(&format!("/leases/{lease}/heartbeat"), &json!({})).await.ok().context("broken")?;
        ensure!(beat.status == 200, "a heartbeat was answered {} {}", beat.status, beat.text());
        beats.fetch_add(1, Ordering::Relaxed);
        tokio::select! {
            () = &mut over => break,
            () = tokio::time::sleep(BEAT) => {}
        }
    }
    let done = http.post(&format!("/leases/{lease}/complete"), &json!("held")).await.ok().context("broken")?;
    ensure!(done.status == 200, "a completion was answered {} {}", done.status, done.text());
    Ok(())
}

async fn job(http: &Http, id: uuid::Uuid) -> Result<Job> {
    http.get(&format!("/jobs/{id}?on_failure=200")).await.ok().context("broken")?.json()
}

async fn started(http: &Http, id: uuid::Uuid) -> Result<()> {
    loop {
        let job = job(http, id).await?;
        if job.attempt > 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn ended(http: &Http, id: uuid::Uuid) -> Result<Job> {
    loop {
        let job = job(http, id).await?;
        if job.state.is_final() {
            ensure!(job.state == State::Succeeded, "a nap is {:?}", job.state);
            return Ok(job);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
