//! A load that goes on and neither grows nor shrinks: whole lives of jobs, until it is told to end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use raincheck::{
    bench::{
        broken::broken,
        connection::post,
        feed,
        server::{Server, job},
    },
    cli::exit::Failure,
};
use tokio::task::JoinSet;

/// With so many jobs waiting, submitters wait too: a load that grows is none that is steady.
const WAITING: usize = 4_000;
/// Until a submitter that waits looks again.
const PAUSE: Duration = Duration::from_millis(2);

/// The load and how far it is.
pub struct Load {
    progress: Arc<feed::Progress>,
    submitted: AtomicUsize,
    over: AtomicBool,
}

impl Default for Load {
    fn default() -> Self {
        let progress = Arc::new(feed::Progress::towards(usize::MAX));
        Self { progress, submitted: AtomicUsize::new(0), over: AtomicBool::new(false) }
    }
}

impl Load {
    /// Jobs that came to their end.
    pub fn done(&self) -> usize {
        self.progress.done()
    }

    /// Jobs that wait or run.
    pub fn waiting(&self) -> usize {
        self.submitted.load(Relaxed).saturating_sub(self.done())
    }

    /// No more are submitted.
    pub fn end(&self) {
        self.over.store(true, Relaxed);
    }

    /// Submits, one job a call, and works in batches of 32, until it is over and all jobs are done.
    pub async fn keep_up(self: &Arc<Self>, server: &Server, callers: usize) -> Result<(), Failure> {
        tokio::try_join!(submit(self, server, callers), feed::work_on(server.address, &self.progress, 32))?;
        Ok(())
    }
}

/// Submits, one job a call, until it is over; then it is known how many there are.
async fn submit(load: &Arc<Load>, server: &Server, callers: usize) -> Result<(), Failure> {
    let request: Arc<[u8]> = post("/jobs", &job()).into();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (mut connection, request, load) = (server.connect().await?, request.clone(), load.clone());
        tasks.spawn(async move {
            while !load.over.load(Relaxed) {
                if load.waiting() >= WAITING {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                connection.expect(&request, 202).await?;
                load.submitted.fetch_add(1, Relaxed);
            }
            Ok::<_, Failure>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(broken)??;
    }
    load.progress.end_at(load.submitted.load(Relaxed));
    Ok(())
}
