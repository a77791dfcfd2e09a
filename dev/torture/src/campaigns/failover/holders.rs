//! Live workers that hold a lease across a fault, and still hold it afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::node::{Node, SOON};
use crate::http::Http;
use crate::queues::PROBE;
use crate::wire::Leases;

/// Workers.
const HOLDERS: usize = 8;
/// Length of their leases, far below how long the longest fault takes.
const TTL: &str = "5s";
const BEAT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(20);

/// All of them.
pub struct Holders {
    tasks: JoinSet<Result<()>>,
    over: Arc<watch::Sender<bool>>,
}

impl Holders {
    /// Each begins with a lease.
    pub async fn start(nodes: &[Node]) -> Result<Self> {
        let over = Arc::new(watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..HOLDERS {
            let http = &nodes[number % nodes.len()].0;
            let lease = lease(http).await?;
            tasks.spawn(hold(http.clone(), lease, over.subscribe()));
        }
        Ok(Holders { tasks, over })
    }

    /// The fault is over: each hands in its end, which must be taken.
    pub async fn end(self) -> Result<()> {
        self.over.send_replace(true);
        let lost: Vec<String> =
            self.tasks.join_all().await.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
        ensure!(lost.is_empty(), "{} of {HOLDERS} live workers lost their leases: {}", lost.len(), lost[0]);
        Ok(())
    }
}

async fn lease(http: &Http) -> Result<String> {
    let job = json!({"kind": "held", "queue": PROBE});
    let taken = http.post("/jobs", &job).await.ok().context("broken")?;
    ensure!(taken.status == 202, "{}", taken.text());
    let ask = json!({"worker": {"name": "holder"}, "kinds": ["held"], "max": 1, "wait": "10s", "ttl": TTL});
    let leases: Leases = http.post("/leases", &ask).await.ok().context("broken")?.json()?;
    Ok(leases.leases.first().context("a job was queued and not leased")?.lease.clone())
}

async fn hold(http: Http, lease: String, mut over: watch::Receiver<bool>) -> Result<()> {
    while !*over.borrow() {
        sent(&http, &format!("/leases/{lease}/heartbeat"), &json!({})).await?;
        // Told or not: it looks.
        let _ = tokio::time::timeout(BEAT, over.changed()).await;
    }
    let begin = Instant::now();
    while !sent(&http, &format!("/leases/{lease}/complete"), &json!("held")).await? {
        ensure!(begin.elapsed() < SOON, "an end is not taken");
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Whether it was taken; an error when the lease is lost.
async fn sent(http: &Http, path: &str, body: &Value) -> Result<bool> {
    match http.post(path, body).await {
        Ok(answer) if answer.status == 200 => Ok(true),
        Ok(answer) if answer.status != 503 => bail!("POST {path} was answered {} {}", answer.status, answer.text()),
        _ => Ok(false),
    }
}
