//! What workers were told: at most one completion is accepted, by the lease of the last attempt; one that was refused
//! changed nothing.

use std::collections::HashMap;

use anyhow::Result;
use uuid::Uuid;

use super::store::Store;
use crate::content::Content;
use crate::http::Http;
use crate::log::{End, EndFate, LeaseRecord, Log};
use crate::queues::PROBE;
use crate::wire::{Job, State};

pub async fn check(http: &Http, log: &Log, store: &Store) -> Result<()> {
    let leases = log.read(|records| records.leases.clone());
    let mut by_job: HashMap<Uuid, Vec<(u32, LeaseRecord)>> = HashMap::new();
    for ((id, attempt), record) in leases {
        by_job.entry(id).or_default().push((attempt, record));
    }
    for (id, runs) in &by_job {
        let Some(job) = store.jobs.get(id) else {
            log.complain("lost", format!("{id} was leased and is not there"));
            continue;
        };
        let of = |wanted: fn(EndFate) -> bool| {
            let wanted =
                move |record: &LeaseRecord| matches!(record.end, Some((End::Complete(..), fate)) if wanted(fate));
            runs.iter().filter(move |(_, record)| wanted(record))
        };
        let taken: Vec<u32> = of(|fate| matches!(fate, EndFate::Taken(_))).map(|(attempt, _)| *attempt).collect();
        if taken.len() > 1 {
            log.complain("doubled", format!("{id}: completions of attempts {taken:?} were accepted"));
        }
        if let [attempt] = taken[..]
            && (job.state, job.attempt) != (State::Succeeded, attempt)
        {
            let text = format!(
                "{id}: the completion of attempt {attempt} was accepted; it is {:?} {}",
                job.state, job.attempt
            );
            log.complain("lost", text);
        }
        if let Some((attempt, _)) = runs.iter().find(|(attempt, _)| *attempt > job.attempt) {
            log.complain("lost", format!("{id}: attempt {attempt} was leased, only {} are recorded", job.attempt));
        }
        if job.state == State::Succeeded {
            result(http, log, job, runs).await?;
        }
    }
    let without = store.jobs.values().filter(|job| job.state == State::Succeeded && !by_job.contains_key(&job.id));
    for job in without.filter(|job| job.queue != PROBE) {
        log.complain("invented", format!("{} succeeded and was never leased", job.id));
    }
    Ok(())
}

/// The recorded result is the one that the run of the last attempt sent, and was not refused.
async fn result(http: &Http, log: &Log, job: &Job, runs: &[(u32, LeaseRecord)]) -> Result<()> {
    let last = runs.iter().find(|(attempt, _)| *attempt == job.attempt);
    let sent = match last.and_then(|(_, record)| record.end) {
        Some((End::Complete(content, number), EndFate::Taken(_) | EndFate::Unknown)) => Some((content, number)),
        _ => None,
    };
    let Some((content, number)) = sent else {
        log.complain("refused", format!("{} succeeded at attempt {}, whose end was: {last:?}", job.id, job.attempt));
        return Ok(());
    };
    let kept = match (content, &job.result) {
        (Content::Json(_), Some(result)) if result.value.is_some() => {
            result.value.as_ref().map_or_else(Vec::new, |value| value.get().as_bytes().to_vec())
        }
        _ => {
            let path = format!("/jobs/{}/result", job.id);
            let answer = http.get(&path).await.map_err(|_| anyhow::anyhow!("GET {path}: the connection broke"))?;
            if answer.status != 200 {
                log.complain("lost", format!("the result of {}: {} {}", job.id, answer.status, answer.text()));
                return Ok(());
            }
            answer.body.to_vec()
        }
    };
    if kept != content.bytes(number) {
        log.complain("lost", format!("the result of {} is not what was sent", job.id));
    }
    Ok(())
}
