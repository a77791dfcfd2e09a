//! Many callers at once, each with a connection of its own, for a while: how many a second, and how long each took.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use super::{broken, connection::Connection};
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
    let mut tasks = JoinSet::new();
    for mut connection in connections {
        let request = request.clone();
        tasks.spawn(async move {
            let mut times = histogram()?;
            loop {
                let sent = Instant::now();
                connection.expect(&request, status).await?;
                let now = Instant::now();
                if now >= until {
                    return Ok::<_, Failure>(times);
                }
                if sent >= from {
                    times.saturating_record(u64::try_from((now - sent).as_micros()).unwrap_or(u64::MAX));
                }
            }
        });
    }
    let mut times = histogram()?;
    while let Some(done) = tasks.join_next().await {
        times.add(done.map_err(broken)??).map_err(broken)?;
    }
    Ok(Load { rate: times.len() as f64 / time.as_secs_f64(), times })
}

/// The median; of an even number the upper one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert!(median(Vec::new()).is_nan());
    }
}
