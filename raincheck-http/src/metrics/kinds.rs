//! What there is of each kind, and what this server did with its jobs.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use raincheck_core::{FailureCode, State, limits};
use raincheck_engine::{KindCounters, TIMES_MILLIS, Times};
use raincheck_store::KindStats;

use super::histogram::{Histogram, Histograms};
use super::labels::{Labels, set_by_state};
use crate::app::App;
use crate::serving::Serving;

/// Stands for all kinds that have no counters of their own; no kind can have this name.
const OTHERS: &str = "(others)";
/// What a job can fail by.
const CODES: [FailureCode; 4] = [FailureCode::Failed, FailureCode::Timeout, FailureCode::Lost, FailureCode::Expired];

/// Of as many as may have metrics: in the data the first by name, of the counters the first that were heard of.
pub fn register(registry: &mut Registry, app: &App, kinds: &[KindStats]) {
    let [jobs, workers, unserved] = [(); 3].map(|()| Family::<Labels, Gauge>::default());
    let serving = Serving::of(app);
    for kind in kinds.iter().take(limits::METRIC_NAMES) {
        let name = kind.name.as_str();
        set_by_state(&jobs, "kind", name, &kind.by_state);
        let serving = serving.of_kind(kind);
        let waits = kind.by_state[State::Queued as usize] > 0;
        let labels = vec![("kind", name.to_owned())];
        workers.get_or_create(&labels).set(serving.workers.len() as i64);
        unserved.get_or_create(&labels).set(i64::from(waits && !serving.is_served(app, kind)));
    }
    registry.register("kind_jobs", "Jobs by kind and state", jobs);
    registry.register("kind_workers", "Workers that take jobs of a kind now, as far as this server has heard", workers);
    let help = "1 while jobs of a kind are ready and nobody that this server has heard of takes such";
    registry.register("kind_unserved", help, unserved);
    register_counters(registry, app);
}

fn register_counters(registry: &mut Registry, app: &App) {
    let (kinds, others) = app.engine.kind_counters();
    let kinds = kinds.iter().map(|(name, counters)| (name.as_str(), counters));
    let others = (others != KindCounters::default()).then_some((OTHERS, &others));
    let [finished, failures] = [(); 2].map(|()| Family::<Labels, Counter>::default());
    let (mut waits, mut runs) = (Histograms(Vec::new()), Histograms(Vec::new()));
    for (name, counters) in kinds.chain(others) {
        let with = |label, value: &str| vec![("kind", name.to_owned()), (label, value.to_owned())];
        for (state, count) in [
            (State::Succeeded, counters.succeeded),
            (State::Failed, counters.failed),
            (State::Canceled, counters.canceled),
        ] {
            finished.get_or_create(&with("state", state.as_str())).inc_by(count);
        }
        for code in CODES {
            failures.get_or_create(&with("error", code.slug())).inc_by(counters.failures(code));
        }
        waits.0.push((vec![("kind", name.to_owned())], histogram(&counters.waits)));
        runs.0.push((vec![("kind", name.to_owned())], histogram(&counters.runs)));
    }
    registry.register("kind_jobs_finished", "Jobs that became final, by kind and state", finished);
    let help = "Failed runs, lost runs and jobs not started in time, by kind and error, followed by another try or not";
    registry.register("kind_failures", help, failures);
    registry.register("kind_wait_seconds", "From when jobs were ready to when a worker had them, by kind", waits);
    registry.register("kind_run_seconds", "From the start of runs to their end, by kind", runs);
}

fn histogram(times: &Times) -> Histogram {
    let ends = TIMES_MILLIS.map(|millis| millis as f64 / 1e3);
    Histogram::new(&ends, &times.counts, times.sum_millis as f64 / 1e3)
}
