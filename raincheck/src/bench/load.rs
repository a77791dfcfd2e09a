//! Many callers at once, each with a connection of its own, for a while: how many a second, and how long each took.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::{broken::broken, connection::Connection};
use crate::cli::exit::Failure;

/// What a load came to.
#[derive(Clone, Debug)]
pub struct Load {
    /// Requests a second.
    pub rate: f64,
    /// How long each took, microseconds.
    pub times: Histogram<u64>,
}

impl Load {
    /// The time within which this share of the requests was answered, milliseconds.
    pub fn millis(&self, share: f64) -> f64 {
        self.times.value_at_quantile(share) as f64 / 1_000.0
    }
}

/// A histogram for microseconds up to a minute.
pub fn histogram() -> Result<Histogram<u64>, Failure> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(broken)
}

/// `callers` send `request` again and again for `time`; each answer must have this status.
pub async fn run(
    address: SocketAddr,
    request: &[u8],
    status: u16,
    callers: usize,
    time: Duration,
) -> Result<Load, Failure> {
    let request: Arc<[u8]> = request.into();
    let mut connections = Vec::new();
    for _ in 0..callers {
        connections.push(Connection::open(address).await?);
    }
    let begin = Instant::now();
    // The first tenth warms up and is not counted.
    let (from, until) = (begin + time / 10, begin + time + time / 10);
    // On a machine that stands still for the whole time, the first answer after it is waited for.
    let counted = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let (request, counted) = (request.clone(), counted.clone());
        tasks.spawn(async move {
            let (mut times, mut last) = (histogram()?, until);
            loop {
                let sent = Instant::now();
                connection.expect(&request, status).await?;
                let now = Instant::now();
                if sent >= from && (now < until || !counted.load(Relaxed)) {
                    times.saturating_record(u64::try_from((now - sent).as_micros()).unwrap_or(u64::MAX));
                    counted.store(true, Relaxed);
                    last = last.max(now);
                }
                if now >= until && counted.load(Relaxed) {
                    return Ok::<_, Failure>((times, last));
                }
            }
        });
    }
    let (mut times, mut end) = (histogram()?, until);
    while let Some(done) = tasks.join_next().await {
        let (some, last) = done.map_err(broken)??;
        times.add(some).map_err(broken)?;
        end = end.max(last);
    }
    Ok(Load { rate: times.len() as f64 / (end - from).as_secs_f64(), times })
}
