//! Which requests are one.

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::subsequence;
use raincheck_core::{
    Batch, Deadline, Defaults, Digest, JobId, JobRequest, Method, NewJob, OnLost, Policy, Sameness, Timestamp, resolve,
};

use crate::make::NOW;

/// Spaces do not count.
fn canonical(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(|byte| *byte != b' ').collect()
}

fn made(request: &JobRequest<'_>, input: &Sameness, defaults: &Defaults) -> NewJob {
    let mut new = resolve(request, defaults, || NOW, |_| true).expect("a request within the limits");
    new.compare_by(request, input, canonical);
    new
}

fn fingerprint(request: &JobRequest<'_>, input: &str) -> Digest {
    let input = Sameness::Text(Bytes::copy_from_slice(input.as_bytes()));
    made(request, &input, &Defaults::default()).fingerprint
}

fn equal(request: &JobRequest<'_>, input: &str) -> Option<Digest> {
    let input = Sameness::Text(Bytes::copy_from_slice(input.as_bytes()));
    made(request, &input, &Defaults::default()).equal
}

fn keyed() -> JobRequest<'static> {
    JobRequest { kind: "k", key: Some("key"), ..JobRequest::default() }
}

/// Requests that differ from the plain one, each in one member.
fn others() -> Vec<JobRequest<'static>> {
    let (plain, none) = (keyed(), Policy::default());
    let policies = [
        Policy { timeout: Some(1), ..none },
        Policy { on_lost: Some(OnLost::Fail), ..none },
        Policy { on_lost: Some(OnLost::Retry), ..none },
        Policy { max_losses: Some(0), ..none },
        Policy { max_losses: Some(3), ..none },
        Policy { max_attempts: Some(1), ..none },
        Policy { retry_initial: Some(1), ..none },
        Policy { retry_factor: Some(1.0), ..none },
        Policy { retry_max: Some(1), ..none },
        Policy { retry_jitter: Some(true), ..none },
        Policy { keep_succeeded: Some(1), ..none },
        Policy { keep_failed: Some(1), ..none },
    ];
    let members = [
        JobRequest { kind: "l", ..plain },
        JobRequest { queue: Some("k"), ..plain },
        JobRequest { queue: Some("default"), ..plain },
        JobRequest { label: Some("k"), ..plain },
        JobRequest { label: Some(""), ..plain },
        JobRequest { method: Some(Method::Post), ..plain },
        JobRequest { method: Some(Method::Get), ..plain },
        JobRequest { priority: Some(0), ..plain },
        JobRequest { delay: Some(0), ..plain },
        JobRequest { run_at: Some(Timestamp(0)), ..plain },
        JobRequest { start_by: Some(Deadline::In(0)), ..plain },
        JobRequest { start_by: Some(Deadline::At(Timestamp(0))), ..plain },
        JobRequest { method: Some(Method::Get), max_age: Some(0), ..plain },
    ];
    members.into_iter().chain(policies.map(|policy| JobRequest { policy, ..plain })).collect()
}

#[test]
fn everything_that_was_asked_for_counts_but_for_the_key() {
    let mut seen = vec![fingerprint(&keyed(), "{}"), fingerprint(&keyed(), "[]")];
    seen.extend(others().iter().map(|other| fingerprint(other, "{}")));
    for (index, digest) in seen.iter().enumerate() {
        assert!(!seen[..index].contains(digest), "request {index}");
    }
    assert_eq!(seen[0], fingerprint(&JobRequest { key: Some("other"), ..keyed() }, " { } "));
    let id = Some(JobId(uuid::Uuid::from_u128(7)));
    assert_eq!(seen[0], fingerprint(&JobRequest { key: None, id, ..keyed() }, "{}"));
}

#[test]
fn inputs_are_told_apart_by_what_they_are() {
    let bytes = |byte| Sameness::Bytes([byte; 16]);
    let text = |text| Sameness::Text(Bytes::from_static(text));
    let all = [Sameness::Empty, bytes(1), bytes(2), text(b""), text(b"\x01\x01\x01\x01\x01\x01\x01\x01")];
    let digests: Vec<_> = all.iter().map(|input| made(&keyed(), input, &Defaults::default()).fingerprint).collect();
    for (index, digest) in digests.iter().enumerate() {
        assert!(!digests[..index].contains(digest), "{:?}", all[index]);
    }
    let mut new = resolve(&keyed(), &Defaults::default(), || NOW, |_| true).unwrap();
    for change in [
        |new: &mut NewJob| new.spec.input.content_type = Some("a/b".into()),
        |new: &mut NewJob| {
            new.spec.input.filename = Some("a/b".into());
        },
    ] {
        let before = new.fingerprint;
        change(&mut new);
        new.compare_by(&keyed(), &bytes(1), canonical);
        assert_ne!(new.fingerprint, before);
        assert!(!digests.contains(&new.fingerprint));
    }
}

/// A request repeated under its key after the server was given other defaults is the same request.
#[test]
fn defaults_do_not_count_and_where_a_job_waits_does() {
    let other = Defaults {
        server: Policy { timeout: Some(9), on_lost: Some(OnLost::Fail), ..Policy::default() },
        queue: crate::make::name("other"),
        ..Defaults::default()
    };
    let get = JobRequest { method: Some(Method::Get), ..keyed() };
    let (one, two) = (made(&get, &Sameness::Empty, &Defaults::default()), made(&get, &Sameness::Empty, &other));
    assert_eq!(one.fingerprint, two.fingerprint);
    assert_ne!(one.equal, two.equal, "of another queue");
    let named = JobRequest { queue: Some("other"), ..get };
    assert_eq!(two.equal, made(&named, &Sameness::Empty, &Defaults::default()).equal, "however it came there");
}

#[test]
fn equal_get_jobs_share_what_is_done_and_not_what_it_is_called() {
    let get = JobRequest { method: Some(Method::Get), key: None, ..keyed() };
    let tags = [(Box::from("a"), Box::from("b"))];
    let one = equal(&get, "{}");
    assert!(one.is_some());
    for same in [
        JobRequest { label: Some("x"), tags: &tags, ..get },
        JobRequest { priority: Some(5), max_age: Some(5), key: Some("x"), ..get },
        JobRequest { delay: Some(0), ..get },
    ] {
        assert_eq!(equal(&same, "{ }"), one, "{same:?}");
    }
    for other in [
        JobRequest { kind: "l", ..get },
        JobRequest { queue: Some("q"), ..get },
        JobRequest { start_by: Some(Deadline::In(5)), ..get },
        JobRequest { policy: Policy { timeout: Some(5), ..Policy::default() }, ..get },
    ] {
        assert_ne!(equal(&other, "{}"), one, "{other:?}");
        assert!(equal(&other, "{}").is_some(), "{other:?}");
    }
    assert_ne!(equal(&get, "[]"), one);
    for alone in [
        JobRequest { method: Some(Method::Post), ..get },
        JobRequest { method: None, ..get },
        JobRequest { delay: Some(1), ..get },
        JobRequest { run_at: Some(NOW), ..get },
    ] {
        assert_eq!(equal(&alone, "{}"), None, "{alone:?}");
    }
}

#[test]
fn nothing_is_worked_out_that_nobody_compares() {
    let plain = JobRequest { key: None, ..keyed() };
    let never = |_: &[u8]| -> Vec<u8> { unreachable!("nothing is compared") };
    let mut new = resolve(&plain, &Defaults::default(), || NOW, |_| true).unwrap();
    assert!(!new.is_compared());
    new.compare_by(&plain, &Sameness::Text(Bytes::from_static(b"{}")), never);
    assert_eq!((new.fingerprint, new.equal), (Digest::default(), None));
}

proptest! {
    /// The order of tags does not count, and which they are does.
    #[test]
    fn equal_requests_have_equal_fingerprints(
        tags in proptest::collection::btree_map("[a-c]{1,2}", "[a-c]{0,2}", 0..6),
        shuffle in any::<proptest::sample::Index>(),
        some in subsequence((0..6).collect::<Vec<usize>>(), 0..6),
    ) {
        let sorted: Vec<(Box<str>, Box<str>)> =
            tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut turned = sorted.clone();
        if !turned.is_empty() {
            turned.rotate_left(shuffle.index(sorted.len()));
            turned.reverse();
        }
        let of = |tags: &[(Box<str>, Box<str>)]| fingerprint(&JobRequest { tags, ..keyed() }, "{}");
        prop_assert_eq!(of(&sorted), of(&turned));
        let fewer: Vec<_> = sorted.iter().enumerate().filter(|(n, _)| some.contains(n)).map(|(_, t)| t.clone()).collect();
        prop_assert_eq!(of(&sorted) == of(&fewer), sorted == fewer);
    }
}

/// The name of a batch of these requests.
fn batch_of(requests: &[(JobRequest<'_>, &str)]) -> Digest {
    let jobs = requests.iter().map(|(request, input)| {
        let mut new = resolve(request, &Defaults::default(), || NOW, |_| true).expect("a request within the limits");
        new.of_batch = true;
        new.compare_by(request, &Sameness::Text(Bytes::copy_from_slice(input.as_bytes())), canonical);
        new
    });
    Batch::new("b", jobs.collect()).name.fingerprint
}

#[test]
fn of_a_batch_everything_counts_in_its_order() {
    let plain = JobRequest { kind: "k", ..JobRequest::default() };
    let get = JobRequest { method: Some(Method::Get), ..plain };
    let batches: Vec<Vec<(JobRequest<'_>, &str)>> = vec![
        vec![],
        vec![(plain, "1")],
        vec![(plain, "1"), (plain, "1")],
        vec![(plain, "1"), (plain, "2")],
        vec![(plain, "2"), (plain, "1")],
        vec![(plain, "1"), (get, "2")],
        vec![(plain, "1"), (JobRequest { label: Some("l"), ..plain }, "2")],
        vec![(plain, "1"), (JobRequest { key: Some("key"), ..plain }, "2")],
        vec![(plain, "1"), (JobRequest { key: Some("other"), ..plain }, "2")],
        vec![(JobRequest { key: Some("key"), ..plain }, "1"), (plain, "2")],
        vec![(plain, "1"), (JobRequest { id: Some(JobId(uuid::Uuid::from_u128(7))), ..plain }, "2")],
    ];
    let digests: Vec<Digest> = batches.iter().map(|batch| batch_of(batch)).collect();
    for (index, digest) in digests.iter().enumerate() {
        assert!(!digests[..index].contains(digest), "batch {index}");
    }
    assert_eq!(digests[3], batch_of(&[(plain, " 1"), (plain, "2 ")]), "spelling does not count");
}

#[test]
fn a_request_id_is_as_long_as_a_key() {
    for (id, good) in [("a", true), ("", false), (&*"x".repeat(255), true), (&*"x".repeat(256), false), ("a\n", false)]
    {
        let checked = Batch::check_id(id);
        assert_eq!(checked.is_ok(), good, "{id:?}");
        assert!(checked.is_ok() || checked.is_err_and(|invalid| invalid.member == "request_id"));
    }
}
