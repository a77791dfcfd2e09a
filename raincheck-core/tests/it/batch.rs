//! The jobs of one submit: each sees those before it, and they are taken all or none.

use raincheck_core::interpreter::{Carried, Claim, Fact, NameFacts, NewFacts, take};
use raincheck_core::{Change, Job, JobId, JobNo, Method, NewJob, QueueFacts, Refusal, Reply, State, Submitted, decide};

use crate::make::{at_now, job, name};

/// `queue`, and what the job goes by: `k…` is a key, `e…` makes equal `GET` jobs, `i…` is a chosen id; after a `/`, what it
/// asks for.
fn new(words: &str) -> NewJob {
    let (queue, name_of) = words.split_once(' ').unwrap_or((words, ""));
    let (by, asks) = name_of.split_once('/').unwrap_or((name_of, ""));
    let mut new = NewJob::new(name(queue), name("k"));
    new.fingerprint = [asks.len() as u8; 16];
    match by.chars().next() {
        Some('k') => new.spec.key = Some(by.into()),
        Some('e') => (new.equal, new.method) = (Some([by.len() as u8; 16]), Method::Get),
        Some('i') => new.id = Some(JobId(uuid::Uuid::from_u128(by.len() as u128))),
        _ => {}
    }
    new
}

/// A store with nothing under any name, in which `max_queued` jobs may wait in a queue and one more than that in all.
fn facts(max_queued: u64) -> NewFacts {
    let free = || NameFacts { claim: Fact::Absent, ..NameFacts::default() };
    let queue = QueueFacts { max_queued, max_in_all: max_queued + 1, next_ticket: 5, ..QueueFacts::default() };
    NewFacts { has_room: true, queue, by_id: free(), by_key: free(), equal: free() }
}

fn taken(jobs: Vec<(NewJob, NewFacts)>) -> Carried {
    let mut last = 100;
    let fresh = |_: &mut decide::Moment<'_>| {
        last += 1;
        (JobNo(last), JobId::from_parts(JobNo(last), 1))
    };
    let carried = at_now(|moment| take(jobs.into_iter(), fresh, moment)).expect("it knows all");
    for changes in [&carried.changes].into_iter().chain(&carried.more) {
        decide::lawful(changes).expect("lawful");
    }
    carried
}

/// What became of them, with their numbers and tickets.
fn words(carried: &Carried) -> Vec<String> {
    let Reply::Submitted(all) = &carried.reply else { panic!("{:?}", carried.reply) };
    let word = |one: &Submitted| {
        let word = match one {
            Submitted::New(_) => "new",
            Submitted::Replayed(_) => "replayed",
            Submitted::Existing(_) => "existing",
            Submitted::Coalesced(_) => "coalesced",
            Submitted::Cached(_) => "cached",
        };
        format!("{word} {} {}", one.job().no.0, one.job().ticket)
    };
    all.iter().map(word).collect()
}

fn all_new(jobs: &[&str], max_queued: u64) -> Carried {
    taken(jobs.iter().map(|words| (new(words), facts(max_queued))).collect())
}

#[test]
fn each_job_sees_what_those_before_it_did() {
    let none = all_new(&[], 9);
    assert_eq!((words(&none), none.more.len()), (Vec::new(), 0));
    let tickets = all_new(&["a", "b", "a", "a"], 9);
    assert_eq!(words(&tickets), ["new 101 5", "new 102 5", "new 103 6", "new 104 7"]);
    assert_eq!(tickets.more.len(), 3);
    assert_eq!(words(&all_new(&["a k1", "a k1", "b k1"], 9)), ["new 101 5", "replayed 101 5", "new 103 5"]);
    assert_eq!(words(&all_new(&["a i1", "b i1"], 9)), ["new 101 5", "existing 101 5"], "an id is one for all queues");
    let shared = all_new(&["a e1", "b e1", "a e1", "a e1"], 9);
    assert_eq!(words(&shared), ["new 101 5", "new 102 5", "coalesced 101 5", "coalesced 101 5"]);
    let Reply::Submitted(all) = &shared.reply else { panic!("refused") };
    assert_eq!(all.iter().map(|one| one.job().shared).collect::<Vec<_>>(), [1, 1, 2, 3]);
}

#[test]
fn a_refusal_takes_back_all_of_them() {
    let refused = |jobs: &[&str], max_queued| {
        let carried = all_new(jobs, max_queued);
        assert!(carried.changes.is_empty() && carried.more.is_empty());
        carried.reply
    };
    assert_eq!(refused(&["a", "a", "a"], 2), Reply::Refused(2, Refusal::QueueFull(name("a"), 2)));
    assert_eq!(refused(&["a", "b", "c", "d"], 2), Reply::Refused(3, Refusal::StoreFull(3)));
    let own = JobId::from_parts(JobNo(102), 1);
    assert_eq!(refused(&["b", "a k1", "a k1/other"], 9), Reply::Refused(2, Refusal::KeyReused(own)));
    let chosen = new("a i1").id.expect("an id");
    assert_eq!(refused(&["a i1", "a i1/other"], 9), Reply::Refused(1, Refusal::IdConflict(chosen)));
    assert!(matches!(taken(vec![(new("a"), facts(9)), (new("b"), NewFacts::default())]).reply, Reply::Refused(1, _)));
}

#[test]
fn what_is_stored_is_changed_by_each_of_them_in_turn() {
    let stored = Job { queue: name("a"), ..job(State::Queued) };
    let known = NameFacts {
        claim: Fact::Here(Claim { no: stored.no, fingerprint: [0; 16] }),
        job: Fact::Here(stored.clone()),
        tombstone: Fact::NotAsked,
    };
    let joins = || (new("a e1"), NewFacts { equal: known.clone(), ..facts(9) });
    let mut keyed = joins();
    keyed.0.spec.key = Some("k".into());
    let carried = taken(vec![joins(), keyed, (new("a k"), facts(9))]);
    let number = stored.no.0;
    assert_eq!(
        words(&carried),
        [format!("coalesced {number} 1"), format!("coalesced {number} 1"), format!("replayed {number} 1")]
    );
    let shared = [&carried.changes].into_iter().chain(&carried.more).flatten().filter_map(|change| match change {
        Change::Update { job, .. } => Some(job.shared),
        _ => None,
    });
    assert_eq!(shared.collect::<Vec<_>>(), [2, 3]);
}
