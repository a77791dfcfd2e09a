use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::http::{Answer, Broken, Http};
use crate::log::Log;
use crate::queues::PROBE;
use crate::test_server::until;

/// So many on each database.
pub const NODES: usize = 2;
/// Writes are taken again, and another history is noticed, within this; on a busy machine.
pub const SOON: Duration = Duration::from_secs(10);

/// A node, asked by the campaign itself.
#[derive(Clone)]
pub struct Node(pub Http);

impl Node {
    pub fn at(url: &str, log: &Arc<Log>) -> Result<Self> {
        let (_, here) = watch::channel(vec![url.into()]);
        Ok(Node(Http::new(here, log.clone())?))
    }

    pub async fn is_ready(&self) -> bool {
        self.0.get("/readyz").await.is_ok_and(|answer| answer.status == 200)
    }

    /// Submits a job that no worker takes, under its own id.
    pub async fn put(&self, id: Uuid, mark: &str) -> Result<Answer, Broken> {
        let body = json!({"kind": PROBE, "queue": PROBE, "input": mark}).to_string();
        self.0.send(Method::PUT, &format!("/jobs/{id}"), "application/json", body.into_bytes()).await
    }

    /// Submits until that is taken, and calls the job off.
    pub async fn writes(&self) -> Result<Duration> {
        let id = Uuid::from_u128(rand::random());
        let took = until("writes are taken again", SOON, async || {
            Ok(self.put(id, "").await.is_ok_and(|answer| answer.is_success()))
        });
        let took = took.await?;
        self.call_off(id).await?;
        Ok(took)
    }

    pub async fn call_off(&self, id: Uuid) -> Result<()> {
        let path = format!("/jobs/{id}/cancel");
        until("a waiting job can be called off", SOON, async || {
            Ok(self.0.post(&path, &Value::Null).await.is_ok_and(|answer| matches!(answer.status, 200 | 409)))
        })
        .await
        .map(drop)
    }

    /// How often it has found another history than the one that it knew.
    pub async fn changes(&self) -> Result<u64> {
        self.metric("raincheck_history_changes_total").await
    }

    pub async fn metric(&self, name: &str) -> Result<u64> {
        let answer = self.0.get("/metrics").await.ok().context("the connection broke")?;
        let text = String::from_utf8_lossy(&answer.body);
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(found.context("no such figure")?.parse()?)
    }
}
