//! The server's own histogram of its transactions.

use raincheck::{
    bench::{broken::broken, server::Server},
    cli::exit::Failure,
};

use crate::metrics;

const BUCKET: &str = "raincheck_store_commit_seconds_bucket{le=\"";

/// Ends of buckets, seconds, and how many transactions took at most that.
pub struct Commits(Vec<(f64, f64)>);

impl Commits {
    /// Of `server`, until now.
    pub async fn of(server: &Server) -> Result<Self, Failure> {
        Self::read(&metrics::text(server).await?)
            .ok_or_else(|| broken("the server does not tell how long commits take"))
    }

    fn read(text: &str) -> Option<Self> {
        let bucket = |line: &str| {
            let (end, count) = line.strip_prefix(BUCKET)?.split_once("\"} ")?;
            let end = if end == "+Inf" { f64::INFINITY } else { end.parse().ok()? };
            Some((end, count.trim().parse().ok()?))
        };
        let buckets: Vec<(f64, f64)> = text.lines().filter_map(bucket).collect();
        (!buckets.is_empty()).then_some(Self(buckets))
    }

    /// The end of the bucket within which this share of those since `before` was done, milliseconds: it is never
    /// less than the truth.
    pub fn millis(&self, before: &Self, share: f64) -> Option<f64> {
        let since: Vec<(f64, f64)> =
            self.0.iter().zip(&before.0).map(|((end, now), (_, then))| (*end, now - then)).collect();
        let all = since.last().filter(|(_, all)| *all > 0.0)?.1;
        since.iter().find(|(_, count)| *count >= all * share).map(|(end, _)| end * 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Commits;

    fn commits(counts: [u32; 3]) -> Commits {
        let [a, b, c] = counts;
        let name = "raincheck_store_commit_seconds";
        let text = format!(
            "# TYPE {name} histogram\n{name}_sum 1\n{name}_bucket{{le=\"0.001\"}} {a}\n\
             {name}_bucket{{le=\"0.002\"}} {b}\n{name}_bucket{{le=\"+Inf\"}} {c}\n"
        );
        Commits::read(&text).unwrap()
    }

    #[test]
    fn shares_of_what_came_since() {
        let (before, after) = (commits([100, 100, 101]), commits([198, 200, 201]));
        assert_eq!(after.millis(&before, 0.5), Some(1.0));
        assert_eq!(after.millis(&before, 0.98), Some(1.0));
        assert_eq!(after.millis(&before, 0.99), Some(2.0));
        assert_eq!(after.millis(&after, 0.99), None);
        assert!(Commits::read("").is_none());
    }
}
