//! The jobs of one submit: each sees those before it, and they are taken all or none.

use raincheck_core::interpreter::{
    BatchClaim, BatchFacts, BatchJob, Carried, Claim, Fact, Look, NameFacts, NewFacts, again, take,
};
use raincheck_core::{
    Again, BatchName, Change, Job, JobId, JobNo, Method, NewJob, QueueFacts, Refusal, Reply, State, Submitted, decide,
};

use crate::make::{self, at_now, job, name};

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

fn batch_name() -> BatchName {
    BatchName { id: "b".into(), fingerprint: [9; 16] }
}

fn taken(jobs: Vec<(NewJob, NewFacts)>) -> Carried {
    let mut last = 100;
    let fresh = |_: &mut decide::Moment<'_>| {
        last += 1;
        (JobNo(last), JobId::from_parts(JobNo(last), 1))
    };
    let carried = at_now(|moment| take(jobs.into_iter(), Some(batch_name()), fresh, moment)).expect("it knows all");
    for changes in [&carried.changes].into_iter().chain(&carried.more) {
        decide::check_changes(changes).expect("it may be written");
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
    assert_eq!(tickets.more.len(), 4, "the last one is the name of the batch");
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
    let twice = Reply::Refused(2, Refusal::KeyTwice(1));
    assert_eq!(refused(&["b", "a k1", "a k1/other"], 9), twice, "nobody ever hears of a job that was taken back");
    let chosen = new("a i1").id.expect("an id");
    assert_eq!(refused(&["a i1", "a i1/other"], 9), Reply::Refused(1, Refusal::IdConflict(chosen)));
    assert!(matches!(taken(vec![(new("a"), facts(9)), (new("b"), NewFacts::default())]).reply, Reply::Refused(1, _)));
}

#[test]
fn what_is_stored_is_changed_by_each_of_them_in_turn() {
    let stored = Job { queue: name("a"), ..job(State::Queued) };
    let known = NameFacts {
        claim: Fact::Here(Claim { no: stored.no, fingerprint: [0; 16] }),
        job: Fact::Here(Box::new(stored.clone())),
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

#[test]
fn a_name_stands_for_whatever_the_jobs_came_to() {
    let stored = Job { queue: name("a"), ..job(State::Queued) };
    let known = NameFacts {
        claim: Fact::Here(Claim { no: stored.no, fingerprint: [0; 16] }),
        job: Fact::Here(Box::new(stored.clone())),
        tombstone: Fact::NotAsked,
    };
    let joins = (new("a e1"), NewFacts { equal: known, ..facts(9) });
    let carried = taken(vec![(new("b k"), facts(9)), joins, (new("b k"), facts(9))]);
    let claim = carried.more.last().expect("more than one decision");
    let (jobs, fingerprint) = ([JobNo(101), stored.no, JobNo(101)].into(), [9; 16]);
    assert_eq!(claim[..], [Change::ClaimBatch { id: "b".into(), jobs, fingerprint }]);
}

/// What is known of a batch of these jobs.
fn batch_facts(jobs: &[(Option<Job>, Option<JobId>)]) -> BatchFacts {
    let nos = (1..=jobs.len()).map(|no| JobNo(no as i64)).collect();
    let known = |(job, tombstone): &(Option<Job>, Option<JobId>)| BatchJob {
        job: job.clone().into(),
        tombstone: (*tombstone).into(),
    };
    let claim = Fact::Here(BatchClaim { jobs: nos, fingerprint: [9; 16] });
    BatchFacts { claim, jobs: jobs.iter().map(known).collect() }
}

#[test]
fn a_batch_again_is_its_jobs_as_they_are() {
    let now = make::NOW;
    let answer = |facts| again(&batch_name(), facts, now);
    let (here, gone) = (job(State::Running), JobId::from_parts(JobNo(7), 7));
    let over = Job { expires_at: Some(now), ..job(State::Succeeded) };
    let jobs = [(Some(here.clone()), None), (None, Some(gone)), (Some(over.clone()), None)];
    let expected = Reply::Again(vec![Again::Here(here), Again::Purged(gone), Again::Purged(over.id)]);
    assert_eq!(answer(batch_facts(&jobs)), Ok(Some(expected)));
    let forgotten = Reply::Refused(1, Refusal::BatchForgotten);
    assert_eq!(answer(batch_facts(&[jobs[0].clone(), (None, None), jobs[1].clone()])), Ok(Some(forgotten.clone())));
    let other = BatchName { fingerprint: [8; 16], ..batch_name() };
    assert_eq!(again(&other, batch_facts(&jobs), now), Ok(Some(Reply::Refused(0, Refusal::BatchReused))));
    assert_eq!(answer(BatchFacts { claim: Fact::Absent, ..BatchFacts::default() }), Ok(None));
    assert!(answer(BatchFacts::default()).is_err(), "nobody looked");
    let mut short = batch_facts(&jobs);
    short.jobs.pop();
    assert!(answer(short).is_err(), "nobody looked for the last job");
}

#[test]
fn a_batch_is_looked_up_one_thing_after_the_other() {
    let mut facts = batch_facts(&[(Some(job(State::Queued)), None), (None, None)]);
    let all = std::mem::take(&mut facts.jobs);
    assert_eq!(BatchFacts::default().next(), Some(Look::Claim));
    assert_eq!(facts.next(), Some(Look::Job(JobNo(1))));
    facts.jobs.push(all[0].clone());
    assert_eq!(facts.next(), Some(Look::Job(JobNo(2))));
    facts.jobs.push(BatchJob { tombstone: Fact::NotAsked, ..all[1].clone() });
    assert_eq!(facts.next(), Some(Look::Tombstone(JobNo(2))));
    facts.jobs[1].tombstone = Fact::Absent;
    assert_eq!(facts.next(), None);
    assert_eq!(BatchFacts { claim: Fact::Absent, ..BatchFacts::default() }.next(), None);
}
