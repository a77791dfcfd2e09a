//! What a submit finds or makes: the first row that fits decides.

use raincheck_core::decide::{self, Known, SubmitFacts};
use raincheck_core::{Change, Job, JobId, JobNo, Method, NewJob, QueueFacts, Refusal, State, Submitted};

use crate::make::{NOW, at_now, job, name, words};

fn get() -> NewJob {
    NewJob { method: Method::Get, equal: Some([3; 16]), fingerprint: [1; 16], ..NewJob::new(name("q"), name("k")) }
}

fn keyed(mut new: NewJob) -> NewJob {
    new.spec.key = Some("key".into());
    new
}

fn chosen(new: NewJob) -> NewJob {
    NewJob { id: Some(job(State::Queued).id), ..new }
}

fn room() -> SubmitFacts {
    let queue = QueueFacts { max_queued: 10, max_in_all: 10, next_ticket: 4, ..QueueFacts::default() };
    SubmitFacts { queue, ..SubmitFacts::default() }
}

fn full() -> SubmitFacts {
    SubmitFacts { queue: QueueFacts { max_queued: 0, max_in_all: 10, ..QueueFacts::default() }, ..room() }
}

fn known(fingerprint: u8, job: Option<Job>) -> Option<Known> {
    let id = JobId::from_parts(JobNo(7 << 15), 9);
    Some(Known { fingerprint: [fingerprint; 16], id, job: job.map(Box::new) })
}

fn fresh_id() -> JobId {
    JobId::from_parts(JobNo(8 << 15), 1)
}

fn submit(new: NewJob, facts: SubmitFacts) -> Result<(Submitted, Vec<Change>), Refusal> {
    let fresh = (JobNo(8 << 15), fresh_id());
    at_now(|moment| decide::submit(new, facts, fresh, moment))
}

fn summary(answer: &Result<(Submitted, Vec<Change>), Refusal>) -> String {
    match answer {
        Ok((submitted, changes)) => {
            let word = match submitted {
                Submitted::New(_) => "new",
                Submitted::Replayed(_) => "replayed",
                Submitted::Existing(_) => "existing",
                Submitted::Coalesced(_) => "coalesced",
                Submitted::Cached(_) => "cached",
            };
            format!("{word} {}; {}", submitted.job().state.as_str(), words(changes))
        }
        Err(Refusal::KeyReused(_)) => "key reused".into(),
        Err(Refusal::IdConflict(_)) => "id conflict".into(),
        Err(Refusal::Purged(_)) => "purged".into(),
        Err(Refusal::QueueFull(..)) => "queue full".into(),
        Err(Refusal::StoreFull(_)) => "store full".into(),
        Err(Refusal::TooManyNames) => "too many names".into(),
        Err(other @ (Refusal::KeyTwice(_) | Refusal::BatchReused | Refusal::BatchForgotten)) => format!("{other:?}"),
    }
}

#[test]
fn what_is_written() {
    let plain = NewJob::new(name("q"), name("k"));
    for (new, row) in [
        (plain.clone(), "new queued; insert + created"),
        (NewJob { delay: 1, ..plain.clone() }, "new scheduled; insert + created"),
        (NewJob { run_at: Some(NOW.plus(1)), ..plain.clone() }, "new scheduled; insert + created"),
        (NewJob { run_at: Some(NOW), delay: 9, ..plain.clone() }, "new queued; insert + created"),
        (NewJob { run_at: Some(NOW.plus(-9)), ..plain.clone() }, "new queued; insert + created"),
        (keyed(plain.clone()), "new queued; insert + claim(Key) + created"),
        (chosen(plain), "new queued; insert + claim(Id) + created"),
        (chosen(keyed(get())), "new queued; insert + claim(Id) + claim(Key) + claim(Equal) + created"),
    ] {
        assert_eq!(summary(&submit(new.clone(), room())), row, "{new:?}");
    }
}

#[test]
fn names_that_are_known() {
    let there = || Some(job(State::Running));
    let still = || Some(job(State::Succeeded));
    let over = || Some(Job { expires_at: Some(NOW), ..job(State::Succeeded) });
    let by_key = |fingerprint, job| SubmitFacts { by_key: known(fingerprint, job), ..full() };
    let by_id = |fingerprint, job| SubmitFacts { by_id: known(fingerprint, job), ..full() };
    let another = || NewJob { id: Some(JobId::from_parts(JobNo(5), 5)), ..keyed(get()) };
    for (new, facts, row) in [
        (keyed(get()), by_key(1, there()), "replayed running; "),
        (keyed(get()), by_key(2, there()), "key reused"),
        (NewJob { id: Some(fresh_id()), ..keyed(get()) }, by_key(1, there()), "key reused"),
        (chosen(keyed(get())), by_key(1, there()), "replayed running; "),
        (keyed(get()), by_key(1, None), "purged"),
        (keyed(get()), by_key(2, None), "purged"),
        (keyed(get()), by_key(1, still()), "replayed succeeded; "),
        (keyed(get()), by_key(1, over()), "purged"),
        (chosen(get()), by_id(1, over()), "purged"),
        (chosen(get()), by_id(1, there()), "existing running; "),
        (chosen(get()), by_id(2, there()), "id conflict"),
        (chosen(get()), by_id(1, None), "purged"),
        (chosen(keyed(get())), SubmitFacts { by_key: known(2, there()), ..by_id(1, there()) }, "existing running; "),
        (chosen(keyed(get())), by_id(1, there()), "existing running; claim(Key)"),
        (chosen(keyed(get())), by_key(1, there()), "replayed running; "),
        (another(), by_key(1, there()), "key reused"),
        (another(), SubmitFacts { by_id: known(1, there()), ..by_key(1, there()) }, "key reused"),
        (keyed(get()), SubmitFacts { equal: there().map(Box::new), ..by_key(1, there()) }, "replayed running; "),
    ] {
        assert_eq!(summary(&submit(new, facts.clone())), row, "{facts:?}");
    }
}

#[test]
fn equal_jobs() {
    let aged = |age| NewJob { max_age: Some(age), ..get() };
    let join = |state: &str, attempt: u32| format!("coalesced {state}; update({state} {attempt})");
    let since = NOW.since(job(State::Succeeded).finished_at.unwrap());
    let rows = [
        (State::Scheduled, get(), join("scheduled", 0)),
        (State::Queued, get(), join("queued", 0)),
        (State::Blocked, get(), join("blocked", 0)),
        (State::Running, get(), join("running", 1)),
        (State::Running, keyed(get()), join("running", 1) + " + claim(Key)"),
        (
            State::Running,
            NewJob { method: Method::Post, ..get() },
            "new queued; insert + claim(Equal) + created".into(),
        ),
        (State::Running, chosen(get()), "new queued; insert + claim(Id) + claim(Equal) + created".into()),
        (State::Succeeded, get(), "new queued; insert + claim(Equal) + created".into()),
        (State::Succeeded, aged(since), "cached succeeded; ".into()),
        (State::Succeeded, keyed(aged(since)), "cached succeeded; claim(Key)".into()),
        (State::Succeeded, aged(since - 1), "new queued; insert + claim(Equal) + created".into()),
        (State::Failed, aged(since), "new queued; insert + claim(Equal) + created".into()),
        (State::Canceled, aged(since), "new queued; insert + claim(Equal) + created".into()),
    ];
    for (state, new, row) in rows {
        assert_eq!(
            summary(&submit(new.clone(), SubmitFacts { equal: Some(Box::new(job(state))), ..room() })),
            row,
            "{new:?}"
        );
        if !row.starts_with("new") {
            assert_eq!(
                summary(&submit(new, SubmitFacts { equal: Some(Box::new(job(state))), ..full() })),
                row,
                "full or not"
            );
        }
    }
    let over = Job { expires_at: Some(NOW), ..job(State::Succeeded) };
    let answer = submit(aged(since), SubmitFacts { equal: Some(Box::new(over)), ..room() });
    assert_eq!(summary(&answer), "new queued; insert + claim(Equal) + created");
    let stopping = Job { cancel_requested: true, ..job(State::Running) };
    let answer = submit(get(), SubmitFacts { equal: Some(Box::new(stopping)), ..room() });
    assert_eq!(summary(&answer), "new queued; insert + claim(Equal) + created");
    let Ok((Submitted::Coalesced(shared), _)) =
        submit(get(), SubmitFacts { equal: Some(Box::new(job(State::Queued))), ..room() })
    else {
        panic!("not shared");
    };
    assert_eq!(shared, Job { shared: 2, ..job(State::Queued) }, "sharing changes nothing else");
}

#[test]
fn bounds() {
    for (waiting, max_queued, waiting_in_all, max_in_all, row) in [
        (9, 10, 9, 10, "new queued; insert + created"),
        (10, 10, 10, 11, "queue full"),
        (11, 10, 11, 12, "queue full"),
        (0, 10, 10, 10, "store full"),
        (10, 10, 10, 10, "store full"),
        (0, 0, 0, 10, "queue full"),
    ] {
        let queue = QueueFacts { waiting, max_queued, waiting_in_all, max_in_all, next_ticket: 1 };
        let answer = submit(NewJob::new(name("q"), name("k")), SubmitFacts { queue, ..SubmitFacts::default() });
        assert_eq!(summary(&answer), row);
    }
}

#[test]
fn a_new_job_starts_from_nothing() {
    let Ok((Submitted::New(new), changes)) = submit(get(), room()) else { panic!("not new") };
    assert_eq!((new.no, new.seq, new.attempt, new.failures, new.losses, new.shared), (JobNo(8 << 15), 1, 0, 0, 0, 1));
    assert_eq!((new.ticket, new.rank, new.created_at, new.run_at), (4, NOW.0, NOW, NOW));
    assert!(new.started_at.is_none() && new.finished_at.is_none() && new.expires_at.is_none());
    let Some(Change::Event(event)) = changes.last() else { panic!("{changes:?}") };
    assert_eq!((event.seq, event.state, event.job, event.at), (1, State::Queued, new.id, NOW));
}
