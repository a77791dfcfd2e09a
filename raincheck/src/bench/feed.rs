//! Workers that do nothing but lease and finish, as fast as they can.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::task::JoinSet;

use super::{
    broken::broken,
    connection::{Connection, leases, post},
};
use crate::cli::exit::Failure;

/// Workers at once that lease in batches.
pub const WORKERS: usize = 8;

/// How far workers are.
pub struct Progress {
    done: AtomicUsize,
    /// When so many are done in all, there is nothing left to do.
    goal: AtomicUsize,
}

impl Progress {
    /// None of `goal` jobs is done yet.
    pub fn towards(goal: usize) -> Self {
        Self { done: AtomicUsize::new(0), goal: AtomicUsize::new(goal) }
    }

    /// Jobs that are done.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// There will be no more than these.
    pub fn end_at(&self, goal: usize) {
        self.goal.store(goal, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.done() >= self.goal.load(Ordering::Relaxed)
    }
}

/// Leases in batches of `batch` and finishes in the next request, until `count` jobs are done in all.
pub async fn drain(address: SocketAddr, count: usize, batch: usize) -> Result<(), Failure> {
    work_on(address, &Arc::new(Progress::towards(count)), batch).await
}

/// The same, until the progress has reached its goal.
pub async fn work_on(address: SocketAddr, progress: &Arc<Progress>, batch: usize) -> Result<(), Failure> {
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (mut connection, progress) = (Connection::open(address).await?, progress.clone());
        workers.spawn(async move { work(&mut connection, &progress, batch, worker).await });
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(broken)??;
    }
    Ok(())
}

async fn work(connection: &mut Connection, progress: &Progress, batch: usize, worker: usize) -> Result<(), Failure> {
    let mut finish: Vec<String> = Vec::new();
    let mut idle = 0;
    loop {
        let over = progress.is_over();
        if over && finish.is_empty() {
            return Ok(());
        }
        let max = if over { 0 } else { batch };
        let members: Vec<String> = finish
            .iter()
            .map(|lease| format!("{{\"lease\":\"{lease}\",\"complete\":{{\"result\":{{\"ok\":true}}}}}}"))
            .collect();
        let body = format!(
            "{{\"worker\":{{\"name\":\"bench-{worker}\"}},\"kinds\":[\"bench\"],\"max\":{max},\"finish\":[{}]}}",
            members.join(",")
        );
        let answer = connection.send(&post("/leases", body.as_bytes())).await?;
        if !matches!(answer.status, 200 | 204) {
            let body: String = String::from_utf8_lossy(answer.body).chars().take(300).collect();
            return Err(broken(format!("a lease was answered {}: {body}", answer.status)));
        }
        if super::connection::find(answer.body, b"\"problem\"").is_some() {
            return Err(broken("a run could not be finished"));
        }
        progress.done.fetch_add(finish.len(), Ordering::Relaxed);
        finish = leases(answer.body)
            .into_iter()
            .map(|range| String::from_utf8_lossy(&answer.body[range]).into_owned())
            .collect();
        // Others hold the last ones, or submitters are behind.
        idle = if finish.is_empty() { idle + 1 } else { 0 };
        if idle > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        if idle > 30_000 {
            return Err(broken("jobs that were submitted are not leased"));
        }
    }
}
