//! Histograms that are kept elsewhere, ready to be written.

use std::fmt::Error;
use std::iter::once;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::labels::Labels;

/// How often something took how long.
#[derive(Debug)]
pub struct Histogram {
    /// The end of each bucket, and how many are in it and in none before.
    buckets: Vec<(f64, u64)>,
    sum: f64,
}

impl Histogram {
    /// Of what is counted up to each of the `ends`, and then of all others; `sum` is of all together.
    pub fn new(ends: &[f64], counts: &[u64], sum: f64) -> Self {
        let ends = ends.iter().copied().chain(once(f64::INFINITY));
        Histogram { buckets: ends.zip(counts.iter().copied()).collect(), sum }
    }
}

/// One for each set of labels.
#[derive(Debug)]
pub struct Histograms(pub Vec<(Labels, Histogram)>);

impl EncodeMetric for Histograms {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), Error> {
        for (labels, Histogram { buckets, sum }) in &self.0 {
            let count = buckets.iter().map(|(_, count)| count).sum();
            // An empty set of labels would be written as `{}`.
            if labels.is_empty() {
                encoder.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)?;
            } else {
                encoder.encode_family(labels)?.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
