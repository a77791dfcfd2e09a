//! What callers were told must agree with what is there: the invariants of a script, from its journal.

use std::collections::{BTreeMap, HashMap, HashSet};

use raincheck_core::{ClaimScope, Command, Event, EventType, JobId, JobNo, LeaseRef, Outcome, Reply, State};

use super::check::everything;
use super::journal::{CAP_A, CAP_X, Journal};
use super::{digest, name};
use crate::{Found, Store};

pub(super) async fn check(store: &dyn Store, journal: &Journal, published: &[Event]) {
    submitted_jobs_are_there(store, journal).await;
    refused_jobs_are_not(store, journal).await;
    one_job_per_name(journal);
    one_run_per_lease(journal);
    one_end_per_job(store, journal, published).await;
    caps_held(published);
}

async fn submitted_jobs_are_there(store: &dyn Store, journal: &Journal) {
    let mut seen = HashSet::new();
    for (_, reply) in journal {
        let Reply::Submitted(all) = reply else { continue };
        for submitted in all.iter().filter(|submitted| seen.insert(submitted.job().id)) {
            let found = store.job(submitted.job().id).await.unwrap();
            assert!(!matches!(found, Found::Unknown), "acknowledged and unknown: {submitted:?}");
        }
    }
}

async fn refused_jobs_are_not(store: &dyn Store, journal: &Journal) {
    let mut refused = HashSet::new();
    for (command, reply) in journal {
        if matches!(reply, Reply::Refused(..) | Reply::Again(_)) {
            refused.extend(command.new_jobs().iter().filter_map(|new| new.spec.label.clone()));
        }
    }
    for record in everything(store).await {
        let label = record.spec.label.as_ref().unwrap();
        assert!(!refused.contains(label), "refused and there: {record:?}");
    }
}

/// Everyone who used a key or an id with success got the same job.
fn one_job_per_name(journal: &Journal) {
    let mut named: HashMap<(ClaimScope, String), JobId> = HashMap::new();
    let mut batches = HashSet::new();
    for (command, reply) in journal {
        let Reply::Submitted(submitted) = reply else { continue };
        if let Command::SubmitBatch(batch) = command {
            assert!(batches.insert(&batch.name.id), "a batch was taken twice: {:?}", batch.name);
        }
        for (new, got) in command.new_jobs().iter().zip(submitted) {
            let id = new.id.map(|id| (ClaimScope::Id, id.to_string()));
            let key = new.spec.key.as_ref().map(|key| (ClaimScope::Key, format!("{} {key}", new.queue)));
            for name in id.into_iter().chain(key) {
                let first = *named.entry(name).or_insert(got.job().id);
                assert_eq!(first, got.job().id, "{new:?}");
            }
        }
    }
}

/// A run is handed to one caller; only the same request may hear of it again.
fn one_run_per_lease(journal: &Journal) {
    let mut given: HashMap<LeaseRef, Option<_>> = HashMap::new();
    for (command, reply) in journal {
        let (Command::Lease(request), Reply::Leased(leased)) = (command, reply) else { continue };
        assert!(request.request_id.is_some() || leased.len() <= request.max);
        for (job, _) in leased {
            if let Some(before) = given.insert(job.lease_ref(), request.request_id) {
                assert!(before.is_some() && before == request.request_id, "leased twice: {job:?}");
            }
        }
    }
}

/// What a worker was told was taken is what is there; what it was told was not is not.
async fn one_end_per_job(store: &dyn Store, journal: &Journal, published: &[Event]) {
    let mut accepted: BTreeMap<JobNo, (u32, _)> = BTreeMap::new();
    for (command, reply) in journal {
        let Command::Settle(settle) = command else { continue };
        match (&settle.outcome, reply) {
            (Outcome::Complete(result), Reply::Job(job)) => {
                assert_eq!((job.state, job.attempt), (State::Succeeded, settle.lease.attempt));
                let end = (settle.lease.attempt, result.digest);
                assert_eq!(*accepted.entry(job.no).or_insert(end), end, "two ends of one job");
            }
            (Outcome::Complete(_) | Outcome::Fail { .. } | Outcome::Release { .. }, Reply::LeaseLost(job)) => {
                assert!(job.state != State::Running || job.attempt != settle.lease.attempt, "refused its own lease");
            }
            _ => {}
        }
    }
    for event in published.iter().filter(|event| event.data.event_type() == EventType::Succeeded) {
        let Some(record) = store.record(event.no).await.unwrap() else { continue };
        let there = (event.attempt, record.result.unwrap().digest);
        let expected = accepted.get(&event.no).copied().unwrap_or((event.attempt, digest("drained")));
        assert_eq!(there, expected);
    }
    for no in accepted.keys() {
        let ends: Vec<_> = published.iter().filter(|event| event.no == *no && event.state.is_final()).collect();
        assert!(matches!(ends[..], [end] if end.data.event_type() == EventType::Succeeded), "{ends:?}");
    }
}

/// At every prefix of the feed no more run than may.
fn caps_held(published: &[Event]) {
    let mut running: HashMap<JobNo, &Event> = HashMap::new();
    for event in published {
        if event.state == State::Running {
            running.insert(event.no, event);
        } else {
            running.remove(&event.no);
        }
        assert!(running.values().filter(|e| e.queue == name("a")).count() <= CAP_A as usize);
        assert!(running.values().filter(|e| e.kind == name("x")).count() <= CAP_X as usize);
    }
}
