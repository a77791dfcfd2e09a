//! What clients and workers ask for, at random: the one vocabulary of every script.

use bytes::Bytes;
use raincheck_core::interpreter::FollowUp;
use raincheck_core::{
    Batch, BatchName, Content, Digest, Failure, FailureCode, Job, JobId, JobNo, LeaseJobs, Method, Name, NewJob,
    OnLost, Outcome, Pattern, Payload, Progress, Timestamp,
};
use rand::RngExt;
use rand::rngs::StdRng;
use uuid::Uuid;

use super::plan::Plan;

/// Queues there are.
pub const QUEUES: [&str; 3] = ["a", "b", "c"];
/// Kinds there are.
pub const KINDS: [&str; 2] = ["x", "y"];

/// A name that is one.
pub fn name(text: &str) -> Name {
    Name::new(text).unwrap_or_else(|error| panic!("{text:?} {error}"))
}

/// A digest that differs where the number does.
pub fn digest(of: u64) -> Digest {
    let mut bytes = [0x5a; 16];
    bytes[..8].copy_from_slice(&of.to_be_bytes());
    bytes
}

/// A small JSON payload.
pub fn content(number: u64) -> Content {
    let payload = Payload::Inline(Bytes::from(number.to_string()));
    Content { payload, content_type: None, filename: None, digest: digest(number) }
}

/// One of a few.
pub fn pick<T: Copy>(rng: &mut StdRng, all: &[T]) -> Option<T> {
    // The younger half is met more often: that is where things go on.
    let from = if rng.random_bool(0.7) { all.len() / 2 } else { 0 };
    (!all.is_empty()).then(|| all[rng.random_range(from..all.len())])
}

/// A new job, with a label that no other has.
pub fn new_job(rng: &mut StdRng, plan: &Plan, label: u64, now: Timestamp) -> NewJob {
    let queue = rng.random_range(0..QUEUES.len());
    let mut new = NewJob::new(name(QUEUES[queue]), name(KINDS[rng.random_range(0..2)]));
    new.spec.label = Some(label.to_string().into());
    new.spec.input = Content { digest: Digest::default(), ..content(label) };
    new.spec.retry.jitter = false;
    new.spec.retry.max_attempts = rng.random_range(1..4);
    new.spec.retry.max = rng.random_range(500..4_000);
    new.priority = rng.random_range(-2..3);
    new.retention = plan.retention;
    new.timeout = rng.random_range(4_000..20_000);
    if rng.random_bool(0.15) {
        new.delay = rng.random_range(0..5_000);
    }
    if rng.random_bool(0.05) {
        new.run_at = Some(now.plus(rng.random_range(-2_000..10_000)));
    }
    if rng.random_bool(0.1) {
        new.start_by = Some(now.plus(rng.random_range(0..20_000)));
    }
    if rng.random_bool(0.2) {
        new.on_lost = OnLost::Fail;
    }
    if rng.random_bool(0.3) {
        new.max_losses = rng.random_range(0..5);
    }
    let asked = rng.random_range(0..2);
    new.fingerprint = digest(2 * queue as u64 + asked);
    if rng.random_ratio(plan.keys, 100) {
        new.spec.key = Some(rng.random_range(0..plan.names).to_string().into());
    }
    if rng.random_ratio(plan.gets, 100) {
        new.method = Method::Get;
        new.equal = Some(digest(asked + 2 * rng.random_range(0..plan.names.div_ceil(10))));
        new.max_age = rng.random_bool(0.5).then_some(3_000);
    } else if rng.random_ratio(plan.ids, 100) {
        new.id = Some(JobId(Uuid::from_u128(0x4000_8000_0000_0000_0000 + u128::from(rng.random_range(0..plan.names)))));
    }
    new
}

/// A batch of these jobs, mostly under a name that nobody used yet, which is `number`.
pub fn batch(rng: &mut StdRng, plan: &Plan, number: u64, jobs: Vec<NewJob>) -> Batch {
    let number = if rng.random_bool(0.6) { number } else { rng.random_range(0..plan.names.min(20)) };
    let fingerprint = digest(rng.random_range(0..2));
    Batch { name: BatchName { id: number.to_string().into(), fingerprint }, jobs }
}

/// What the ids of jobs have in common that name what follows: version 8, and a mark.
const NAMES: u64 = 0x8f0f;
/// Bits of an id beside that and its variant.
const NUMBER: u64 = (1 << 62) - 1;

/// The id of a job whose end this follows from. No other number makes the same.
pub fn then(follow_up: FollowUp, number: u32) -> JobId {
    let (what, no) = follow_up.parts();
    let high = (u64::from(number) << 32) | (u64::from(what) << 24) | NAMES;
    JobId(Uuid::from_u64_pair(high, (0b10 << 62) | no.0.cast_unsigned()))
}

/// What follows from the end of the job of this id.
pub fn named(id: JobId) -> Option<FollowUp> {
    let (high, low) = id.0.as_u64_pair();
    let what = ((high >> 24) & 0xff).cast_signed();
    if high & 0xff_ffff == NAMES { FollowUp::of_parts(what, JobNo((low & NUMBER).cast_signed())) } else { None }
}

/// The rule that goes by that.
pub fn follows(job: &Job) -> Option<FollowUp> {
    named(job.id)
}

/// A worker's request. Its id, where it has one, is new.
pub fn lease(rng: &mut StdRng, worker: &str, id: u64) -> LeaseJobs {
    let all = [name(KINDS[0]), name(KINDS[1])];
    let queues = if rng.random_bool(0.3) { vec![name("a"), name("b")] } else { Vec::new() };
    let (mut kinds, mut patterns) = (all[rng.random_range(0..2)..].to_vec(), Vec::new());
    if rng.random_bool(0.3) {
        kinds.truncate(rng.random_range(0..2));
        patterns.extend(Pattern::new(&format!("*{}", KINDS[1])).ok().filter(|_| rng.random_bool(0.7)));
    }
    LeaseJobs {
        worker: worker.into(),
        queues,
        kinds,
        patterns,
        max: rng.random_range(0..5),
        ttl: rng.random_range(2_000..6_000),
        request_id: rng.random_bool(0.3).then(|| digest(id)),
    }
}

/// How a run ends by its own worker. Results are told apart by `mark`.
pub fn end(rng: &mut StdRng, mark: u64) -> Outcome {
    match rng.random_range(0..10) {
        0..6 => Outcome::Complete(content(mark)),
        6..9 => Outcome::Fail {
            failure: Failure { kind: Some("E".into()), ..Failure::of(FailureCode::Failed, "it broke") },
            retryable: rng.random_bool(0.8),
            retry_after: rng.random_bool(0.2).then(|| rng.random_range(0..3_000)),
        },
        _ => Outcome::Release { delay: rng.random_range(0..2) * 1_000 },
    }
}

/// How far a run has come.
pub fn progress(rng: &mut StdRng) -> Progress {
    Progress { percent: Some(f64::from(rng.random_range(0..100_u8))), ..Progress::default() }
}
