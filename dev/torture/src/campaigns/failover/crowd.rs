//! Clients of nodes whose database loses what was acknowledged last: each job says in its label of which kind it is, so
//! that whoever meets it can tell.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use parking_lot::Mutex;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::node::Node;
use crate::wire::Leases;

/// Clients that submit, at each node.
const SUBMITTERS: u64 = 3;
/// Jobs of a kind before the next one. More kinds are lost at a time than a sequence is written down ahead, so that their
/// numbers are given again; and fewer are made in all than there may be.
const OF_A_KIND: u64 = 6;
/// Kinds that a worker asks for, those made last.
const ASKED: u64 = 40;
const PAUSE: Duration = Duration::from_millis(10);

/// What they know.
#[derive(Default)]
pub struct Known {
    /// Acknowledged jobs, with the period in which that was.
    pub acknowledged: Mutex<Vec<(Uuid, u32)>>,
    /// The period it is now.
    pub now: AtomicU32,
    /// Ends of runs that were taken.
    pub ended: AtomicU64,
    /// Followers that were told that their place is gone.
    pub resets: AtomicU64,
    submitted: AtomicU64,
}

/// All of them.
pub struct Crowd {
    pub known: Arc<Known>,
    tasks: JoinSet<Result<()>>,
    over: Arc<AtomicBool>,
}

impl Crowd {
    /// Some of each sort for each node.
    pub fn start(nodes: &[Node]) -> Self {
        let (known, over, mut tasks) = (Arc::<Known>::default(), Arc::<AtomicBool>::default(), JoinSet::new());
        for node in nodes {
            for _ in 0..SUBMITTERS {
                tasks.spawn(submit(node.clone(), known.clone(), over.clone()));
            }
            tasks.spawn(work(node.clone(), known.clone(), over.clone()));
            tasks.spawn(follow(node.clone(), known.clone(), over.clone()));
        }
        Crowd { known, tasks, over }
    }

    /// Fails with whatever one of them has met.
    pub async fn end(self) -> Result<Arc<Known>> {
        self.over.store(true, Relaxed);
        for done in self.tasks.join_all().await {
            done?;
        }
        Ok(self.known)
    }
}

fn kind(number: u64) -> String {
    format!("kind-{}", number / OF_A_KIND)
}

async fn submit(node: Node, known: Arc<Known>, over: Arc<AtomicBool>) -> Result<()> {
    while !over.load(Relaxed) {
        let kind = kind(known.submitted.fetch_add(1, Relaxed));
        let id = Uuid::from_u128(rand::random());
        let path = format!("/jobs/{id}");
        let body = json!({"kind": kind, "label": kind}).to_string().into_bytes();
        loop {
            match node.0.send(Method::PUT, &path, "application/json", body.clone()).await {
                Ok(answer) if answer.is_success() => {
                    known.acknowledged.lock().push((id, known.now.load(Relaxed)));
                    tokio::time::sleep(PAUSE).await;
                    break;
                }
                Ok(answer) if answer.status != 503 => {
                    bail!("a good submit was answered {}: {}", answer.status, answer.text());
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }
    Ok(())
}

async fn work(node: Node, known: Arc<Known>, over: Arc<AtomicBool>) -> Result<()> {
    while !over.load(Relaxed) {
        let newest = known.submitted.load(Relaxed) / OF_A_KIND;
        let kinds: HashSet<String> =
            (newest.saturating_sub(ASKED)..=newest).map(|number| format!("kind-{number}")).collect();
        let ask = json!({"worker": {"name": "w"}, "kinds": kinds, "max": 8, "wait": "200ms", "ttl": "5s"});
        let leases = match node.0.post("/leases", &ask).await {
            Ok(answer) if answer.status == 200 => answer.json::<Leases>()?.leases,
            Ok(answer) if !matches!(answer.status, 204 | 503) => {
                bail!("a request for work was answered {}: {}", answer.status, answer.text());
            }
            _ => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        for leased in leases {
            let job = &leased.job;
            ensure!(
                kinds.contains(&job.kind) && job.label.as_deref() == Some(&job.kind),
                "a worker got a job of {}, which was submitted as {:?}",
                job.kind,
                job.label
            );
            // One that the database has lost is refused.
            let end = node.0.post(&format!("/leases/{}/complete", leased.lease), &json!(1)).await;
            match end {
                Ok(answer) if answer.status == 200 => drop(known.ended.fetch_add(1, Relaxed)),
                Ok(answer) if !matches!(answer.status, 409 | 410 | 503) => {
                    bail!("a completion was answered {}: {}", answer.status, answer.text());
                }
                _ => {}
            }
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Published>,
    next_after: String,
}

#[derive(Deserialize, Clone, PartialEq, Debug)]
struct Published {
    job: Uuid,
    seq: u32,
    kind: String,
}

/// Follows the feed; what it has seen since it last began is how the feed begins.
async fn follow(node: Node, known: Arc<Known>, over: Arc<AtomicBool>) -> Result<()> {
    let (mut after, mut seen) = ("0".to_owned(), Vec::new());
    loop {
        let is_over = over.load(Relaxed);
        match node.0.get(&format!("/events?after={after}&wait=300ms")).await {
            Ok(answer) if answer.status == 200 => {
                let page: Page = answer.json()?;
                if is_over && page.items.is_empty() {
                    break;
                }
                seen.extend(page.items);
                after = page.next_after;
            }
            Ok(answer) if answer.status == 410 && answer.slug() == "cursor-expired" => {
                known.resets.fetch_add(1, Relaxed);
                (after, seen) = ("0".to_owned(), Vec::new());
            }
            Ok(answer) if answer.status != 503 => bail!("a follower was answered {}: {}", answer.status, answer.text()),
            _ => tokio::time::sleep(PAUSE).await,
        }
    }
    let (mut after, mut there) = ("0".to_owned(), Vec::<Published>::new());
    loop {
        let page: Page = node.0.fetch(&format!("/events?after={after}")).await?;
        if page.items.is_empty() {
            break;
        }
        there.extend(page.items);
        after = page.next_after;
    }
    let same = seen.iter().zip(&there).take_while(|(was, is)| was == is).count();
    ensure!(
        same == seen.len(),
        "a follower saw {} events, the feed has {}; they part at {same}: {:?} seen, {:?} there",
        seen.len(),
        there.len(),
        seen.get(same),
        there.get(same)
    );
    Ok(())
}
