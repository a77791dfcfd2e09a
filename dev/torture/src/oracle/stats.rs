//! Kept counters equal a recount, and the settings of queues are still those that were acknowledged.

use std::collections::HashMap;

use anyhow::Result;

use super::store::Store;
use crate::http::Http;
use crate::log::Log;
use crate::queues::{NARROW, SMALL};
use crate::wire::{Queues, State};

pub async fn check(http: &Http, log: &Log, store: &Store) -> Result<()> {
    let mut counts: HashMap<(&str, State), u64> = HashMap::new();
    for job in store.jobs.values() {
        *counts.entry((&job.queue, job.state)).or_default() += 1;
    }
    let queues: Queues = http.fetch("/queues").await?;
    for queue in &queues.items {
        let kept = [
            (State::Scheduled, queue.scheduled),
            (State::Queued, queue.queued),
            (State::Blocked, queue.blocked),
            (State::Running, queue.running),
            (State::Succeeded, queue.succeeded),
            (State::Failed, queue.failed),
            (State::Canceled, queue.canceled),
        ];
        for (state, kept) in kept {
            let counted = counts.remove(&(queue.name.as_str(), state)).unwrap_or(0);
            if kept != counted {
                log.complain("stats", format!("{} {state:?}: {kept} are kept, {counted} counted", queue.name));
            }
        }
        let bounded = match queue.name.as_str() {
            "narrow" => queue.concurrency == Some(NARROW),
            "small" => queue.max_queued == SMALL,
            _ => true,
        };
        if !bounded {
            log.complain("lost", format!("the settings of {} are not those acknowledged: {queue:?}", queue.name));
        }
    }
    if !counts.is_empty() {
        log.complain("stats", format!("no queue has these: {counts:?}"));
    }
    Ok(())
}
