//! What there is of each queue.

use std::collections::HashMap;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use raincheck_core::{Name, Timestamp, limits};
use raincheck_store::QueueStats;

use super::labels::{Labels, set_by_state};

/// Of the first by name, as many as may have metrics; `oldest` says since when jobs have been ready.
pub fn register(registry: &mut Registry, queues: &[QueueStats], oldest: &[(Name, Timestamp)], now: Timestamp) {
    let oldest: HashMap<&Name, Timestamp> = oldest.iter().map(|(name, at)| (name, *at)).collect();
    let [jobs, most, paused, ages] = [(); 4].map(|()| Family::<Labels, Gauge>::default());
    for queue in queues.iter().take(limits::METRIC_NAMES) {
        let Some(name) = &queue.name else { continue };
        set_by_state(&jobs, "queue", name.as_str(), &queue.by_state);
        let labels = vec![("queue", name.as_str().to_owned())];
        let set = |family: &Family<Labels, Gauge>, value| _ = family.get_or_create(&labels).set(value);
        set(&most, queue.settings.max_queued.unwrap_or(limits::QUEUED_PER_QUEUE).cast_signed());
        set(&paused, i64::from(queue.settings.paused));
        set(&ages, oldest.get(name).map_or(0, |at| now.since(*at).max(0) / 1_000));
    }
    registry.register("queue_jobs", "Jobs by queue and state", jobs);
    registry.register("queue_max_jobs", "Jobs that may wait in a queue", most);
    registry.register("queue_paused", "1 while a queue is paused", paused);
    let help = "For how long the job that is ready for the longest has been so, of those next in line; 0 where none is";
    registry.register("queue_oldest_seconds", help, ages);
}
