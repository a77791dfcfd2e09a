//! What commands must know, and that what was not asked is never taken for what is not there.

use bytes::Bytes;
use raincheck_core::interpreter::{
    Carried, ChunkPlace, Claim, Fact, Facts, Held, Look, NameFacts, NamedQueue, Needs, NewFacts, NotAsked, Part,
    Recorded, carry_out, needs, take,
};
use raincheck_core::{
    Append, Cancel, ChunkKind, Command, Digest, Job, JobId, JobNo, LeaseRef, Name, NewJob, Outcome, Overdue, Progress,
    QueueFacts, QueuePatch, QueueSettings, Refusal, Reply, RetryPolicy, Settle, State, Submitted, limits,
};

use crate::make::{at_now, job, name, outcomes, words};

fn settle(job: &Job, outcome: Outcome) -> Command {
    Command::Settle(Settle { lease: job.lease_ref(), outcome })
}

fn outcome(word: &str) -> Outcome {
    let (_, outcome) = outcomes().into_iter().find(|(name, _)| *name == word).expect("an outcome");
    outcome
}

fn append(job: &Job, kind: ChunkKind, offset: Option<u64>, bytes: Bytes) -> Command {
    let (lease, content_type) = (job.lease_ref(), Some("text/plain".into()));
    Command::Append(Append { lease, kind, offset, bytes, content_type, limit: 100_000 })
}

fn carried(command: Command, facts: Facts) -> Carried {
    assert_eq!(needs(&command, &facts), Needs::default(), "{command:?}");
    at_now(|moment| carry_out(command, facts, moment)).expect("it knows all")
}

fn knows(job: &Job) -> Facts {
    Facts { job: Fact::Here(job.clone()), ..Facts::default() }
}

/// Every command about one job, or one queue.
fn commands(job: &Job) -> Vec<Command> {
    let mut all: Vec<Command> = outcomes().into_iter().map(|(_, outcome)| settle(job, outcome)).collect();
    all.push(Command::Progress(job.lease_ref(), Progress::default()));
    all.push(Command::Extend(job.lease_ref(), 20_000));
    all.push(Command::Cancel(Cancel { no: job.no, force: false, seq: None }));
    all.extend([Command::RunNow(job.no, None), Command::Purge(job.no)]);
    all.push(append(job, ChunkKind::Log, None, Bytes::from_static(b"a")));
    all.push(Command::SetQueue(name("q"), QueuePatch::default()));
    all
}

#[test]
fn a_command_that_was_told_nothing_is_not_carried_out() {
    for command in commands(&job(State::Running)) {
        assert!(!needs(&command, &Facts::default()).is_empty(), "{command:?}");
        let refused = at_now(|moment| carry_out(command.clone(), Facts::default(), moment));
        assert!(matches!(refused, Err(NotAsked(_))), "{command:?}: {refused:?}");
    }
}

#[test]
fn a_command_is_carried_out_when_it_knows_what_it_asked_for_and_not_before() {
    for state in State::ALL {
        let job = job(state);
        for command in commands(&job) {
            let mut facts = Facts::default();
            for round in 1.. {
                let asked = needs(&command, &facts);
                if asked.is_empty() {
                    break;
                }
                assert!(round <= 2, "{command:?} asks for ever");
                let early = at_now(|moment| carry_out(command.clone(), facts.clone(), moment));
                let stale = Reply::Job(job.clone());
                assert!(early.as_ref().is_err() || early.is_ok_and(|early| early.reply == stale), "{command:?}");
                answer(asked, &job, &mut facts);
            }
            carried(command, facts);
        }
    }
}

fn answer(asked: Needs<'_>, job: &Job, facts: &mut Facts) {
    asked.job.into_iter().for_each(|_| facts.job = Fact::Here(job.clone()));
    asked.lease.into_iter().for_each(|_| facts.lease = Fact::Absent);
    asked.recorded.into_iter().for_each(|_| facts.recorded = Fact::Absent);
    asked.retry.into_iter().for_each(|_| facts.retry = Fact::Here(RetryPolicy::default()));
    asked.part.into_iter().for_each(|_| facts.part = Fact::Absent);
    asked.queue.into_iter().for_each(|_| facts.queue = Fact::Here(NamedQueue::default()));
}

#[test]
fn only_what_matters_is_asked() {
    let (running, succeeded) = (job(State::Running), job(State::Succeeded));
    let asked = |job: &Job, word: &str| {
        let command = settle(job, outcome(word));
        let first = needs(&command, &Facts::default());
        let then = needs(&command, &knows(job));
        [first.lease.is_some(), then.recorded.is_some(), then.retry.is_some()]
    };
    assert_eq!(asked(&running, "complete"), [false, false, false]);
    assert_eq!(asked(&succeeded, "complete"), [false, true, false]);
    assert_eq!(asked(&running, "fail"), [false, false, true]);
    assert_eq!(asked(&succeeded, "fail"), [false, false, false]);
    assert_eq!(asked(&running, "lost"), [true, false, false]);
    assert_eq!(asked(&running, "timed out"), [true, false, true]);
    let gone = Facts { job: Fact::Absent, ..Facts::default() };
    for command in commands(&running).into_iter().filter(|command| !matches!(command, Command::SetQueue(..))) {
        assert_eq!(carried(command, gone.clone()).reply, Reply::Gone);
    }
}

#[test]
fn a_heartbeat_saves_a_run_that_was_taken_for_lost() {
    let job = job(State::Running);
    for (word, overdue, other) in
        [("lost", Overdue::Lost, Overdue::TimedOut), ("timed out", Overdue::TimedOut, Overdue::Lost)]
    {
        let end = |held: Option<Overdue>| {
            let lease = Fact::Here(Held { overdue: held, worker: "w".into() });
            let retry = Fact::Here(RetryPolicy::default());
            carried(settle(&job, outcome(word)), Facts { lease, retry, ..knows(&job) })
        };
        assert!(words(&end(Some(overdue)).changes).ends_with("end lease"));
        for held in [None, Some(other)] {
            assert_eq!(end(held), Reply::Job(job.clone()).into());
        }
    }
}

#[test]
fn the_same_end_again_is_the_same_in_all_that_is_kept_of_it() {
    let job = job(State::Succeeded);
    let Outcome::Complete(result) = outcome("complete") else { panic!("not a result") };
    let again = |recorded: Fact<Recorded>| {
        let facts = Facts { recorded, ..knows(&job) };
        carried(settle(&job, Outcome::Complete(result.clone())), facts).reply
    };
    let kept = Recorded::of(&result);
    assert_eq!(again(Fact::Here(kept.clone())), Reply::Job(job.clone()));
    let over = Reply::LeaseLost(job.clone());
    assert_eq!(again(Fact::Absent), over);
    assert_eq!(again(Fact::Here(Recorded { filename: Some("other".into()), ..kept.clone() })), over);
    assert_eq!(again(Fact::Here(Recorded { content_type: Some("a/b".into()), ..kept.clone() })), over);
    assert_eq!(again(Fact::Here(Recorded { digest: [9; 16], ..kept })), over);
}

#[test]
fn bytes_go_to_the_end_once_and_in_pieces() {
    let second = Job { attempt: 2, ..job(State::Running) };
    let to = |part: Part, offset, size: usize| {
        let command = append(&second, ChunkKind::Log, offset, Bytes::from(vec![b'x'; size]));
        let Carried { changes, reply, .. } = carried(command, Facts { part: Fact::Here(part), ..knows(&second) });
        let pieces = changes.iter().map(|change| match change {
            raincheck_core::Change::Piece(piece) => (piece.start, piece.bytes.len(), piece.base),
            other => panic!("{other:?}"),
        });
        (pieces.collect::<Vec<_>>(), reply)
    };
    let (before, own) = (Part { end: 10, run: 1, base: 0 }, Part { end: 10, run: 2, base: 4 });
    assert_eq!(to(before, None, 3), (vec![(10, 3, 10)], Reply::Appended(3)));
    assert_eq!(to(own, None, 3), (vec![(10, 3, 4)], Reply::Appended(9)));
    assert_eq!(to(own, Some(5), 3), (vec![(10, 2, 4)], Reply::Appended(8)), "one byte is there already");
    assert_eq!(to(own, Some(2), 3), (vec![], Reply::Appended(6)), "all of it is");
    assert_eq!(to(own, Some(7), 3), (vec![], Reply::Appended(6)), "a hole");
    assert_eq!(to(own, None, 100_000), (vec![], Reply::Full));
    let long = limits::CHUNK_BYTES + 1;
    let pieces = vec![(0, limits::CHUNK_BYTES, 0), (limits::CHUNK_BYTES as u64, 1, 0)];
    assert_eq!(to(Part::default(), None, long), (pieces, Reply::Appended(long as u64)));
    let run = LeaseRef { no: JobNo(7), attempt: 3 };
    assert_eq!([ChunkKind::Stream, ChunkKind::Log].map(|kind| ChunkPlace::of(run, kind).attempt), [3, 0]);
}

#[test]
fn a_queue_is_set_where_there_is_room_for_its_name() {
    let patch = QueuePatch { paused: Some(true), ..QueuePatch::default() };
    let set = |has_room| {
        let settings = QueueSettings { concurrency: Some(3), ..QueueSettings::default() };
        let queue = Fact::Here(NamedQueue { has_room, settings });
        carried(Command::SetQueue(name("q"), patch.clone()), Facts { queue, ..Facts::default() })
    };
    let settings = QueueSettings { paused: true, max_queued: None, concurrency: Some(3) };
    let changes = vec![raincheck_core::Change::Settings(Name::new("q").expect("a name"), settings.clone())];
    assert_eq!(set(true), (Reply::Queue(settings), changes).into());
    assert_eq!(set(false), Reply::Refused(0, Refusal::TooManyNames).into());
}

const FINGERPRINT: Digest = [7; 16];

fn own_id() -> JobId {
    job(State::Queued).id
}

/// What is answered to a new job of this id and key, where names stand for what is said.
fn taken(id: Option<JobId>, key: Option<&str>, by_id: NameFacts, by_key: NameFacts) -> Result<Submitted, Refusal> {
    let mut new = NewJob::new(name("q"), name("k"));
    (new.id, new.spec.key, new.fingerprint) = (id, key.map(Into::into), FINGERPRINT);
    let queue = QueueFacts { max_queued: 9, max_in_all: 9, next_ticket: 1, ..QueueFacts::default() };
    let facts = NewFacts { has_room: true, queue, by_id, by_key, equal: NameFacts::default() };
    let fresh = (JobNo(8 << 15), JobId::from_parts(JobNo(8 << 15), 1));
    let carried = at_now(|moment| take([(new, facts)].into_iter(), None, |_| fresh, moment)).expect("it knows all");
    match carried.reply {
        Reply::Submitted(mut one) => Ok(one.remove(0)),
        Reply::Refused(0, refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

/// All there is to know of a name that was claimed.
fn claimed(fingerprint: Digest, found: Option<Job>, tombstone: Option<JobId>) -> NameFacts {
    let claim = Fact::Here(Claim { no: JobNo(7 << 15), fingerprint });
    NameFacts { claim, job: found.map(Box::new).into(), tombstone: tombstone.into() }
}

#[test]
fn a_name_is_looked_up_as_far_as_it_must_be() {
    let mut new = NewJob::new(name("q"), name("k"));
    (new.id, new.spec.key) = (Some(own_id()), Some("a".into()));
    let (id, key) = (new.chosen_id().expect("an id"), new.key_name().expect("a key"));
    let no = JobNo(7 << 15);
    let unknown = NameFacts { claim: Fact::Absent, ..NameFacts::default() };
    let met = claimed(FINGERPRINT, Some(job(State::Queued)), None);
    assert_eq!([id, key].map(|name| NameFacts::default().next(name)), [Some(Look::Claim); 2]);
    assert_eq!([id, key].map(|name| unknown.next(name)), [Some(Look::Job(no)), None], "its number says where it is");
    let claim = NameFacts { job: Fact::NotAsked, ..met.clone() };
    assert_eq!(claim.next(key), Some(Look::Job(no)));
    assert_eq!(met.next(key), None);
    assert_eq!(NameFacts { job: Fact::Absent, tombstone: Fact::NotAsked, ..met }.next(key), Some(Look::Tombstone(no)));
}

#[test]
fn what_a_name_stands_for_is_answered_again() {
    let (stored, none) = (job(State::Running), NameFacts::default);
    let by_key = |facts| taken(None, Some("a"), none(), facts);
    assert_eq!(by_key(claimed(FINGERPRINT, Some(stored.clone()), None)), Ok(Submitted::Replayed(stored.clone())));
    assert_eq!(by_key(claimed([8; 16], Some(stored.clone()), None)), Err(Refusal::KeyReused(stored.id)));
    assert_eq!(by_key(claimed(FINGERPRINT, None, Some(stored.id))), Err(Refusal::Purged(stored.id)));
    let free = NameFacts { claim: Fact::Absent, ..none() };
    assert!(matches!(by_key(free), Ok(Submitted::New(_))));

    // An id of the store's own making, which nobody chose.
    let own = |job: Option<Job>, tombstone| {
        let facts = NameFacts { claim: Fact::Absent, job: job.map(Box::new).into(), tombstone: Fact::from(tombstone) };
        taken(Some(own_id()), None, facts, none())
    };
    assert_eq!(own(Some(stored.clone()), None), Err(Refusal::IdConflict(stored.id)));
    assert_eq!(own(None, Some(stored.id)), Err(Refusal::Purged(stored.id)));
    assert!(matches!(own(None, None), Ok(Submitted::New(_))));
    let other = JobId::from_parts(stored.no, 10);
    assert!(
        matches!(own(Some(Job { id: other, ..stored }), None), Ok(Submitted::New(_))),
        "the number alone says nothing"
    );
    assert!(matches!(own(None, Some(other)), Ok(Submitted::New(_))));
}

#[test]
fn a_new_job_that_was_told_nothing_of_its_names_is_not_taken() {
    let take = |has_room, key: Option<&str>| {
        let mut new = NewJob::new(name("q"), name("k"));
        new.spec.key = key.map(Into::into);
        let facts = NewFacts { has_room, ..NewFacts::default() };
        let fresh = (JobNo(1), own_id());
        at_now(|moment| raincheck_core::interpreter::take([(new, facts)].into_iter(), None, |_| fresh, moment))
    };
    assert!(take(true, Some("a")).is_err());
    assert_eq!(take(true, None), Ok(Reply::Refused(0, Refusal::StoreFull(0)).into()));
    assert_eq!(take(false, Some("a")), Ok(Reply::Refused(0, Refusal::TooManyNames).into()));
}
