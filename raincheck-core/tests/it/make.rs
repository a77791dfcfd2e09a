//! Jobs, moments and outcomes for the tables, and changes in a few words.

use bytes::Bytes;
use raincheck_core::decide::Moment;
use raincheck_core::{
    Change, Content, Failure, FailureCode, Job, JobId, JobNo, Name, NewJob, Outcome, Payload, Retention, RetryPolicy,
    Spec, State, Timestamp,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub const NOW: Timestamp = Timestamp(1_000_000);

/// Calls a rule at [`NOW`].
pub fn at_now<T>(rule: impl FnOnce(&mut Moment<'_>) -> T) -> T {
    at(NOW, rule)
}

pub fn at<T>(now: Timestamp, rule: impl FnOnce(&mut Moment<'_>) -> T) -> T {
    rule(&mut Moment { now, tick: now.0, rng: &mut StdRng::seed_from_u64(1), follow: None })
}

pub fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// A job as it could stand in `state`: once leased unless it waits for its first start.
pub fn job(state: State) -> Job {
    let started = matches!(state, State::Running | State::Succeeded | State::Failed);
    let new = NewJob {
        timeout: 60_000,
        retention: Retention { succeeded: 100, failed: 200 },
        spec: Box::new(Spec { retry: policy(), ..Spec::default() }),
        ..NewJob::new(name("q"), name("k"))
    };
    let fresh = (JobNo(7 << 15), JobId::from_parts(JobNo(7 << 15), 9));
    Job {
        state,
        attempt: u32::from(started),
        seq: 2,
        rank: 5,
        run_at: Timestamp(5),
        ttl: 10_000,
        started_at: started.then_some(Timestamp(6)),
        updated_at: Timestamp(6),
        finished_at: state.is_final().then_some(Timestamp(7)),
        expires_at: state.is_final().then_some(NOW.plus(1)),
        ..Job::new(&new, fresh, 1, Timestamp(1), 0)
    }
}

pub fn content(byte: u8) -> Content {
    let payload = Payload::Inline(Bytes::copy_from_slice(&[byte]));
    Content { payload, digest: [byte; 16], ..Content::default() }
}

pub fn failure() -> Failure {
    Failure::of(FailureCode::Failed, "no")
}

/// Waits of 1 s, 2 s, 4 s, without jitter.
pub fn policy() -> RetryPolicy {
    RetryPolicy { max_attempts: 2, initial: 1_000, factor: 2.0, max: 60_000, jitter: false }
}

pub fn fail(retryable: bool, retry_after: Option<i64>) -> Outcome {
    Outcome::Fail { failure: failure(), retryable, retry_after }
}

/// Every way a run ends, with its name in the tables.
pub fn outcomes() -> [(&'static str, Outcome); 9] {
    [
        ("complete", Outcome::Complete(content(1))),
        ("fail", fail(true, None)),
        ("fail at once", fail(true, Some(0))),
        ("fail after 7 s", fail(true, Some(7_000))),
        ("fail for good", fail(false, None)),
        ("release", Outcome::Release { delay: 0 }),
        ("release for 3 s", Outcome::Release { delay: 3_000 }),
        ("lost", Outcome::Lost),
        ("timed out", Outcome::TimedOut),
    ]
}

/// What would be written, in order.
pub fn words(changes: &[Change]) -> String {
    let word = |change: &Change| match change {
        Change::Insert(..) => "insert".to_owned(),
        Change::Update { state, attempt, .. } => format!("update({} {attempt})", state.as_str()),
        Change::Claim { scope, .. } => format!("claim({scope:?})"),
        Change::Event(event) => event.data.event_type().as_str().to_owned(),
        Change::Result(..) => "result".to_owned(),
        Change::Failure(_, failure) => failure.code.slug().to_owned(),
        Change::Progress(..) => "progress".to_owned(),
        Change::Piece(..) => "piece".to_owned(),
        Change::Settings(..) => "settings".to_owned(),
        Change::Put { replaced, .. } => if replaced.is_some() { "replace" } else { "make" }.to_owned(),
        Change::Delete { .. } => "delete".to_owned(),
        Change::Forget(..) => "forget".to_owned(),
        Change::Erase(..) => "erase".to_owned(),
        Change::Extend(..) => "extend lease".to_owned(),
        Change::AskToStop(..) => "ask to stop".to_owned(),
        Change::EndLease(..) => "end lease".to_owned(),
        Change::ClaimBatch { id, .. } => format!("claim batch {id}"),
        Change::FollowUp(..) => "follow-up".to_owned(),
    };
    changes.iter().map(word).collect::<Vec<_>>().join(" + ")
}

/// A job's state, and when it waits for a time, how long.
pub fn stands(job: &Job) -> String {
    match job.state {
        State::Scheduled => format!("scheduled {} ms", job.run_at.since(NOW)),
        state => state.as_str().to_owned(),
    }
}
