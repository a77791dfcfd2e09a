//! kill -9 while jobs are kept for a moment only: repeatable ones that callers share, single ones under a key, some with
//! a file, some run again. No handle is forgotten, none is purged too early, a key makes no second job, no file stays.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::campaign::{Order, runtime};
use crate::http::{Answer, Broken, Http};
use crate::log::Log;
use crate::tally::Tally;
use crate::test_server::{TestServer, until};
use crate::wire::{Job, Leases};

/// How long finished jobs are kept.
const KEPT: Duration = Duration::from_secs(1);
/// After the last kill every job has ended and is purged within this time.
const GONE: Duration = Duration::from_secs(60);
const CLIENTS: u64 = 6;
const WORKERS: u64 = 2;
/// Different inputs of the repeatable jobs: few, so that they are shared.
const INPUTS: u32 = 6;
/// Bytes of an input that is kept in a file.
const FILE: usize = 100_000;

/// What is known of a job.
#[derive(Default)]
struct Life {
    /// Under which key it was sent.
    key: Option<Uuid>,
    /// When a worker was first told of it: before that it cannot have ended.
    leased: Option<Instant>,
    purged: bool,
}

/// What all actors know.
#[derive(Clone)]
struct Actor {
    http: Http,
    log: Arc<Log>,
    lives: Arc<Mutex<HashMap<Uuid, Life>>>,
}

/// One loop is one kill.
pub fn run(order: &Order) -> Result<Tally> {
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let mut rng = StdRng::seed_from_u64(order.seed);
    let mut test = TestServer::new(order.name, "")?;
    let actor = Actor { http: test.http.clone(), log: test.log.clone(), lives: Arc::default() };
    let mut actors = JoinSet::new();
    for number in 0..CLIENTS {
        actors.spawn(actor.clone().ask(StdRng::seed_from_u64(order.seed ^ (number << 48))));
    }
    for _ in 0..WORKERS {
        actors.spawn(actor.clone().work());
    }
    for _ in 0..order.loops {
        tokio::time::sleep(Duration::from_millis(rng.random_range(50..600))).await;
        test.kill()?;
        test.start()?;
    }
    actors.shutdown().await;
    let workers = actors.spawn(actor.clone().work());
    let all = until("every job is purged", GONE, async || {
        let there = actor.there();
        for id in &there {
            actor.look(*id).await;
        }
        Ok(there.is_empty())
    });
    all.await?;
    workers.abort();
    // What a client sent, and never heard of, is purged too.
    let empty = until("nothing is left", GONE, async || {
        let queue = test.queue("default").await?;
        Ok([queue.scheduled, queue.queued, queue.running, queue.succeeded, queue.failed, queue.canceled] == [0; 6])
    });
    empty.await?;
    let again = actor.lives.lock().iter().find_map(|(id, life)| life.key.map(|key| (*id, key)));
    let (id, key) = again.context("no job had a key")?;
    actor.keyed(key, Some(id)).await;
    // Files of requests that a kill cut off are orphans, which the next start moves aside.
    test.kill()?;
    test.start()?;
    let files = files(&test.data().join("blobs"))?;
    ensure!(files == 0, "{files} files belong to no job");
    let ends = actor.lives.lock().len() as u64;
    let loops = u64::from(order.loops);
    test.close(Tally { loops, faults: loops + 1, submits: ends, ends, ..Tally::default() })
}

impl Actor {
    /// Submits, looks again at what it knows, and has it run again, until it is stopped.
    async fn ask(self, mut rng: StdRng) {
        let mut mine = Vec::new();
        loop {
            let drawn = rng.random_range(0..100);
            // New ones, old ones, and those that are just about to be purged.
            let back = 1 << rng.random_range(0..12);
            let known: Option<Uuid> = mine.len().checked_sub(back).map(|at| mine[at]);
            let made = match (drawn, known) {
                (0..30, _) => self.shared(rng.random_range(0..INPUTS)).await,
                (30..50, _) => self.keyed(Uuid::from_u128(rng.random()), None).await,
                (50..53, _) => self.file(Uuid::from_u128(rng.random())).await,
                (53..60, Some(id)) => self.rerun(id).await,
                (_, Some(id)) => {
                    self.look(id).await;
                    None
                }
                (_, None) => None,
            };
            mine.extend(made);
        }
    }

    async fn work(self) {
        let mut finish = Vec::new();
        loop {
            let body = json!({"kinds": ["look", "do"], "max": 16, "wait": "50ms", "worker": {"name": "w"}, "ttl": "2s",
                "finish": std::mem::take(&mut finish)});
            let Ok(answer) = self.http.post("/leases", &body).await else { continue };
            if answer.status == 204 {
                continue;
            }
            let Ok(leases) = answer.json::<Leases>() else {
                self.log.complain("answer", format!("a lease was answered {}: {}", answer.status, answer.text()));
                continue;
            };
            for leased in leases.leases {
                self.lives.lock().entry(leased.job.id).or_default().leased.get_or_insert_with(Instant::now);
                finish.push(json!({"lease": leased.lease, "complete": {"result": leased.job.id}}));
            }
        }
    }

    async fn shared(&self, number: u32) -> Option<Uuid> {
        let body = json!({"kind": "look", "method": "GET", "input": number, "retention": retention()});
        self.made(self.http.post("/jobs", &body).await, None)
    }

    /// Sends a job until it is answered; with `before`, it is there already.
    async fn keyed(&self, key: Uuid, before: Option<Uuid>) -> Option<Uuid> {
        let body = json!({"kind": "do", "key": key, "input": key, "retention": retention()});
        loop {
            match self.http.post("/jobs", &body).await {
                Err(Broken) => {}
                Ok(answer) if before.is_some() && answer.status == 410 => return before,
                answer => {
                    let made = self.made(answer, Some(key));
                    if before.is_some() && made != before {
                        self.log.complain("doubled", format!("{key} stood for {before:?} and made {made:?}"));
                    }
                    return made;
                }
            }
        }
    }

    async fn file(&self, key: Uuid) -> Option<Uuid> {
        let kept = format!("{}ms", KEPT.as_millis());
        let path = format!("/kinds/do/jobs?key={key}&retention.succeeded={kept}&retention.failed={kept}");
        let answer = self.http.send(Method::POST, &path, "application/octet-stream", vec![7; FILE]).await;
        // Not sent again under its key: a broken one may leave its file without a job.
        self.made(answer, None)
    }

    async fn rerun(&self, id: Uuid) -> Option<Uuid> {
        let Ok(answer) = self.http.post(&format!("/jobs/{id}/rerun"), &json!({})).await else { return None };
        match answer.status {
            // Not done yet, done for good, purged already.
            409 | 410 => None,
            _ => {
                let made = self.made(Ok(answer), None);
                if made == Some(id) {
                    self.log.complain("doubled", format!("{id} was run again under its own name"));
                }
                made
            }
        }
    }

    /// What is not known to be purged.
    fn there(&self) -> Vec<Uuid> {
        self.lives.lock().iter().filter(|(_, life)| !life.purged).map(|(id, _)| *id).collect()
    }

    /// Notes a job that a submit was answered with.
    fn made(&self, answer: Result<Answer, Broken>, key: Option<Uuid>) -> Option<Uuid> {
        let answer = answer.ok()?;
        let Ok(job) = answer.json::<Job>() else {
            self.log.complain("answer", format!("a submit was answered {}: {}", answer.status, answer.text()));
            return None;
        };
        self.lives.lock().entry(job.id).or_default().key = key;
        Some(job.id)
    }

    /// A handle answers for ever; with "gone" only when its job had ended for long enough, and from then on.
    async fn look(&self, id: Uuid) {
        let purged = self.lives.lock().get(&id).is_some_and(|life| life.purged);
        let Ok(answer) = self.http.get(&format!("/jobs/{id}?on_failure=200")).await else { return };
        let mut lives = self.lives.lock();
        let life = lives.entry(id).or_default();
        match answer.status {
            200 | 202 if purged => self.log.complain("final", format!("{id} was purged, and is there")),
            200 | 202 => {}
            410 => {
                life.purged = true;
                match life.leased.map(|at| at.elapsed()) {
                    // The server counts whole milliseconds.
                    Some(age) if age + Duration::from_millis(1) > KEPT => {}
                    age => self.log.complain("lost", format!("{id} was purged {age:?} after it was leased")),
                }
            }
            status => self.log.complain("lost", format!("{id} was answered {status}: {}", answer.text())),
        }
    }
}

fn retention() -> serde_json::Value {
    let kept = format!("{}ms", KEPT.as_millis());
    json!({"succeeded": kept, "failed": kept})
}

/// Payloads in a folder of them: neither its mark, nor what lies aside for a day.
fn files(folder: &Path) -> Result<usize> {
    let mut found = 0;
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.ends_with("orphans") || path.ends_with("store-id") {
            continue;
        }
        found += if path.is_dir() { files(&path)? } else { 1 };
    }
    Ok(found)
}
