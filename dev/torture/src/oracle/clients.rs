//! What clients were told of their submits: every acknowledged job exists as it was sent, one job a key and id, none
//! from a refused submit, none that nobody sent.

use std::collections::HashMap;

use anyhow::Result;
use uuid::Uuid;

use super::store::Store;
use crate::content::Content;
use crate::http::Http;
use crate::log::{Fate, Log, Submit};
use crate::queues::PROBE;
use crate::wire::Job;

pub async fn check(http: &Http, log: &Log, store: &Store) -> Result<()> {
    let submits = log.read(|records| records.submits.clone());
    let mut found: HashMap<usize, Vec<&Job>> = HashMap::new();
    for job in store.jobs.values().filter(|job| job.queue != PROBE) {
        let number = job.label.as_deref().and_then(|label| label.parse().ok()).filter(|at| *at < submits.len());
        match number {
            Some(number) => found.entry(number).or_default().push(job),
            None => log.complain("invented", format!("{} was never sent: {:?}", job.id, job.label)),
        }
    }
    for (number, submit) in submits.iter().enumerate() {
        let jobs = found.remove(&number).unwrap_or_default();
        if jobs.len() > 1 {
            let ids: Vec<Uuid> = jobs.iter().map(|job| job.id).collect();
            log.complain("doubled", format!("job {number} is there as {ids:?}: {submit:?}"));
        }
        match submit.fate {
            Fate::Acknowledged(id, faults) => {
                if !jobs.iter().any(|job| job.id == id) {
                    let text =
                        format!("job {number}, acknowledged as {id} after {faults} faults, is not there: {submit:?}");
                    log.complain("lost", text);
                } else {
                    as_sent(http, log, number, submit, id).await?;
                }
            }
            Fate::Refused if !jobs.is_empty() => {
                log.complain("refused", format!("job {number} was refused and is there: {submit:?}"));
            }
            Fate::Refused | Fate::Unknown => {}
        }
    }
    for id in log.read(|records| records.canceled.clone()) {
        if store.jobs.get(&id).is_some_and(|job| job.state != crate::wire::State::Canceled) {
            log.complain("final", format!("{id} was answered as canceled and is not"));
        }
    }
    Ok(())
}

/// One by one, as a client would: its own handle answers, with what was sent.
async fn as_sent(http: &Http, log: &Log, number: usize, submit: &Submit, id: Uuid) -> Result<()> {
    let job: Job = http.fetch(&format!("/jobs/{id}?on_failure=200&include=input")).await?;
    let same = (&*job.kind, &*job.queue, job.key.as_deref()) == (submit.kind, submit.queue, submit.key.as_deref());
    if !same || submit.chosen.is_some_and(|chosen| chosen != id) {
        log.complain("lost", format!("job {number} is not as it was sent: {job:?} instead of {submit:?}"));
    }
    // Bytes are compared by the worker that gets them.
    if let (Content::Json(_), given) = (submit.input, &job.input) {
        let sent = submit.input.bytes(number as u64);
        if given.as_ref().is_none_or(|given| given.get().as_bytes() != sent) {
            log.complain("lost", format!("the input of job {number} is not what was sent: {given:?}"));
        }
    }
    Ok(())
}
