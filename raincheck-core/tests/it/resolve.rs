//! What a request leaves out, and what of it is refused.

use std::collections::HashMap;

use raincheck_core::{
    Deadline, Defaults, Invalid, JobRequest, KindDefaults, Method, NewJob, OnLost, Policy, Retention, RetryPolicy,
    Timestamp, limits, resolve,
};

use crate::make::{NOW, name};

fn resolved(request: &JobRequest<'_>, defaults: &Defaults) -> Result<NewJob, Vec<Invalid>> {
    resolve(request, defaults, || NOW, |queue| queue.as_str() == "made")
}

fn plain() -> JobRequest<'static> {
    JobRequest { kind: "k", ..JobRequest::default() }
}

#[test]
fn without_defaults_the_built_in_ones_hold() {
    let new = resolved(&plain(), &Defaults::default()).unwrap();
    assert_eq!(new, NewJob::new(name("default"), name("k")));
    assert_eq!((new.timeout, new.on_lost, new.max_losses), (limits::TIMEOUT_MILLIS, OnLost::Retry, 3));
    assert_eq!((new.spec.retry, new.retention), (RetryPolicy::default(), Retention::default()));
}

#[test]
fn times_to_come_are_not_farther_than_a_hundred_years() {
    let last = NOW.plus(limits::MOMENT_MILLIS);
    let request = |at| JobRequest { run_at: Some(at), start_by: Some(Deadline::At(at)), ..plain() };
    assert_eq!(resolved(&request(last), &Defaults::default()).unwrap().run_at, Some(last));
    let refused = resolved(&request(last.plus(1)), &Defaults::default()).unwrap_err();
    let refused: Vec<String> = refused.iter().map(Invalid::to_string).collect();
    assert_eq!(
        refused,
        ["run_at", "start_by"].map(|member| format!("{member} must be at most a hundred years from now"))
    );
}

/// Each level in turn says everything; who says it nearest to the job wins, and where nobody does, the built-in one.
#[test]
fn the_nearer_level_wins_in_every_member() {
    let all = |n: i64| Policy {
        timeout: Some(n),
        on_lost: Some(OnLost::Fail),
        max_losses: Some(n as u32),
        max_attempts: Some(n as u32),
        retry_initial: Some(n),
        retry_factor: Some(n as f64),
        retry_max: Some(n),
        retry_jitter: Some(n % 2 == 0),
        keep_succeeded: Some(n),
        keep_failed: Some(n),
    };
    // Which of server, queue, kind and job say something, as bits.
    for says in 0..16 {
        let at = |level: i64| if says & (1 << level) == 0 { Policy::default() } else { all(level + 1) };
        let defaults = Defaults {
            server: at(0),
            queues: HashMap::from([(name("q"), at(1))]),
            kinds: HashMap::from([(name("k"), KindDefaults { policy: at(2), ..KindDefaults::default() })]),
            ..Defaults::default()
        };
        let request = JobRequest { queue: Some("q"), policy: at(3), ..plain() };
        let new = resolved(&request, &defaults).unwrap();
        let Some(nearest) = (0..4).rev().find(|level| says & (1 << level) != 0).map(|level| level + 1) else {
            assert_eq!((new.timeout, new.spec.retry), (limits::TIMEOUT_MILLIS, RetryPolicy::default()));
            continue;
        };
        assert_eq!((new.timeout, new.on_lost), (nearest, OnLost::Fail), "{says:04b}");
        assert_eq!(new.max_losses, nearest as u32, "{says:04b}");
        assert_eq!(new.retention, Retention { succeeded: nearest, failed: nearest }, "{says:04b}");
        let retry = RetryPolicy {
            max_attempts: nearest as u32,
            initial: nearest,
            factor: nearest as f64,
            max: nearest,
            jitter: nearest % 2 == 0,
        };
        assert_eq!(new.spec.retry, retry, "{says:04b}");
    }
}

#[test]
fn members_of_one_policy_come_from_different_levels() {
    let defaults = Defaults {
        server: Policy { timeout: Some(1), max_attempts: Some(1), keep_failed: Some(1), ..Policy::default() },
        queues: HashMap::from([(name("q"), Policy { timeout: Some(2), max_attempts: Some(2), ..Policy::default() })]),
        kinds: HashMap::from([(
            name("k"),
            KindDefaults {
                queue: Some(name("q")),
                method: Some(Method::Get),
                policy: Policy { timeout: Some(3), ..Policy::default() },
            },
        )]),
        ..Defaults::default()
    };
    let new = resolved(&plain(), &defaults).unwrap();
    assert_eq!((new.queue.as_str(), new.method), ("q", Method::Get), "of the kind");
    assert_eq!((new.timeout, new.spec.retry.max_attempts, new.retention.failed), (3, 2, 1));
    let other = resolved(&JobRequest { kind: "other", ..plain() }, &defaults).unwrap();
    assert_eq!((other.queue.as_str(), other.method, other.timeout), ("default", Method::Post, 1));
    let request = JobRequest { queue: Some("x"), method: Some(Method::Post), ..plain() };
    let new = resolved(&request, &defaults).unwrap();
    assert_eq!((new.queue.as_str(), new.method, new.spec.retry.max_attempts), ("x", Method::Post, 1));
}

#[test]
fn times_count_from_now() {
    let start_by = |deadline| {
        let request = JobRequest { start_by: Some(deadline), ..plain() };
        resolved(&request, &Defaults::default()).unwrap().start_by
    };
    assert_eq!(start_by(Deadline::In(5)), Some(NOW.plus(5)));
    assert_eq!(start_by(Deadline::At(Timestamp(5))), Some(Timestamp(5)));
    let request = JobRequest { delay: Some(7), ..plain() };
    assert_eq!(resolved(&request, &Defaults::default()).unwrap().delay, 7);
}

#[test]
fn what_is_wrong_is_told_by_its_member() {
    let long = "x".repeat(300);
    let many: Vec<_> = (0..33).map(|n| (Box::from(format!("{n}")), Box::from(""))).collect();
    let twice = [("a", "1"), ("b", "2"), ("a", "3")].map(|(name, value)| (Box::from(name), Box::from(value)));
    let odd = [(Box::from("a/b"), Box::from("\n"))];
    let policy = |policy| JobRequest { policy, ..plain() };
    let none = Policy::default();
    for (request, members) in [
        (plain(), &[][..]),
        (JobRequest { kind: "", ..plain() }, &["kind"]),
        (JobRequest { kind: "a b", queue: Some(""), label: Some("\u{7}"), ..plain() }, &["kind", "queue", "label"]),
        (JobRequest { label: Some(&long), ..plain() }, &["label"]),
        (JobRequest { key: Some(""), ..plain() }, &["key"]),
        (JobRequest { key: Some(&long), ..plain() }, &["key"]),
        (JobRequest { tags: &many, ..plain() }, &["tags"]),
        (JobRequest { tags: &twice, ..plain() }, &["tags"]),
        (JobRequest { tags: &odd, ..plain() }, &["tags"]),
        (JobRequest { priority: Some(101), ..plain() }, &["priority"]),
        (JobRequest { priority: Some(-101), ..plain() }, &["priority"]),
        (JobRequest { priority: Some(-100), ..plain() }, &[]),
        (JobRequest { delay: Some(0), run_at: Some(NOW), ..plain() }, &["delay"]),
        (JobRequest { delay: Some(-1), ..plain() }, &["delay"]),
        (JobRequest { delay: Some(limits::DURATION_MILLIS + 1), ..plain() }, &["delay"]),
        (JobRequest { delay: Some(limits::DURATION_MILLIS), ..plain() }, &[]),
        (JobRequest { start_by: Some(Deadline::In(-1)), ..plain() }, &["start_by"]),
        (JobRequest { start_by: Some(Deadline::At(Timestamp(-1))), ..plain() }, &[]),
        (JobRequest { max_age: Some(1), ..plain() }, &["max_age"]),
        (JobRequest { max_age: Some(1), method: Some(Method::Get), ..plain() }, &[]),
        (policy(Policy { timeout: Some(0), ..none }), &["timeout"]),
        (policy(Policy { timeout: Some(-1), ..none }), &["timeout"]),
        (policy(Policy { max_losses: Some(1_001), ..none }), &["max_losses"]),
        (policy(Policy { max_attempts: Some(0), ..none }), &["retry/max_attempts"]),
        (policy(Policy { max_attempts: Some(1_001), ..none }), &["retry/max_attempts"]),
        (policy(Policy { retry_factor: Some(0.5), ..none }), &["retry/factor"]),
        (policy(Policy { retry_factor: Some(f64::NAN), ..none }), &["retry/factor"]),
        (policy(Policy { retry_initial: Some(-1), ..none }), &["retry/initial"]),
        (policy(Policy { retry_max: Some(i64::MAX), ..none }), &["retry/max"]),
        (
            policy(Policy { keep_succeeded: Some(-1), keep_failed: Some(-1), ..none }),
            &["retention/succeeded", "retention/failed"],
        ),
    ] {
        let invalid_members = resolved(&request, &Defaults::default()).err().unwrap_or_default();
        assert_eq!(
            invalid_members.iter().map(|invalid| invalid.member).collect::<Vec<_>>(),
            members,
            "{request:?}: {invalid_members:?}"
        );
        let named: Vec<_> = invalid_members.iter().filter_map(|invalid| invalid.tag.as_deref()).collect();
        let expected: &[&str] = match request.tags.len() {
            1 => &["a/b"],
            3 => &["a"],
            _ => &[],
        };
        assert_eq!(named, expected);
    }
}

#[test]
fn where_queues_are_not_made_only_known_ones_are_taken() {
    let defaults = Defaults {
        auto_queues: false,
        queues: HashMap::from([(name("owned"), Policy::default())]),
        ..Defaults::default()
    };
    let taken = |queue| resolved(&JobRequest { queue: Some(queue), ..plain() }, &defaults).is_ok();
    assert!(taken("owned") && taken("made"));
    assert!(!taken("other"));
    let refused = resolved(&plain(), &defaults).unwrap_err();
    assert_eq!((refused.len(), refused[0].member), (1, "queue"), "the default queue is none either");
}
