use super::*;
use crate::samples::name;
use raincheck_core::limits;

/// A wake for a job in queue `q`.
fn wake(dispatch: &Dispatch, kind: &str, job: i64) -> bool {
    let (queue, kind) = (Some(name("q")), name(kind));
    dispatch.waiting.lock().wake(Wake { queue, kind, job: Some(JobNo(job)), chain: false })
}

/// Whether a waiter has been woken, without waiting.
fn is_woken(waiter: &Waiter) -> bool {
    let mut woken = std::pin::pin!(waiter.woken());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    Future::poll(woken.as_mut(), &mut context).is_ready()
}

fn waiter(dispatch: &Arc<Dispatch>, queues: &[&str], kinds: &[&str]) -> Waiter {
    let names = |texts: &[&str]| texts.iter().map(|text| name(text)).collect::<Vec<_>>();
    let mut waiter = dispatch.waiter(&names(queues), &names(kinds)).unwrap();
    waiter.arm();
    waiter
}

#[test]
fn one_job_wakes_one_waiter_the_oldest_that_serves() {
    let dispatch = Arc::new(Dispatch::default());
    let other_queue = waiter(&dispatch, &["z"], &["k"]);
    let other_kind = waiter(&dispatch, &[], &["x"]);
    let (first, second) = (waiter(&dispatch, &["q", "z"], &["x", "k"]), waiter(&dispatch, &[], &["k"]));
    assert!(wake(&dispatch, "k", 1));
    let woken = [&other_queue, &other_kind, &first, &second].map(is_woken);
    assert_eq!(woken, [false, false, true, false]);
    assert!(wake(&dispatch, "k", 2));
    assert!(is_woken(&second));
    assert!(!wake(&dispatch, "k", 3), "nobody is left");
    assert!(wake(&dispatch, "x", 4));
    assert!(is_woken(&other_kind), "a woken waiter is passed over in its other kinds");
}

#[test]
fn a_wake_that_is_not_used_is_passed_on() {
    let dispatch = Arc::new(Dispatch::default());
    let (first, mut second, third) =
        (waiter(&dispatch, &[], &["k"]), waiter(&dispatch, &[], &["k"]), waiter(&dispatch, &[], &["k"]));
    assert!(wake(&dispatch, "k", 1));
    drop(first);
    assert!(is_woken(&second), "the first went away");
    second.arm();
    assert!(wake(&dispatch, "k", 2));
    second.answered([JobNo(1)].into_iter());
    drop(second);
    assert!(is_woken(&third), "the second used one of two wakes");
}

#[test]
fn a_wake_for_a_job_that_was_leased_anyway_is_used() {
    let dispatch = Arc::new(Dispatch::default());
    let (mut first, second) = (waiter(&dispatch, &[], &["k"]), waiter(&dispatch, &[], &["k"]));
    assert!(wake(&dispatch, "k", 1));
    first.answered([JobNo(1)].into_iter());
    drop(first);
    assert!(!is_woken(&second));
}

#[test]
fn whoever_comes_too_late_waits_in_its_old_place() {
    let dispatch = Arc::new(Dispatch::default());
    let (mut first, second) = (waiter(&dispatch, &[], &["k"]), waiter(&dispatch, &[], &["k"]));
    assert!(wake(&dispatch, "k", 1) && is_woken(&first));
    first.arm();
    first.answered(std::iter::empty());
    assert!(!is_woken(&first));
    assert!(wake(&dispatch, "k", 2));
    assert!(is_woken(&first) && !is_woken(&second));
}

#[test]
fn a_wake_between_arming_and_the_answer_is_not_lost() {
    let dispatch = Arc::new(Dispatch::default());
    let mut waiter = waiter(&dispatch, &[], &["k"]);
    assert!(wake(&dispatch, "k", 1));
    waiter.answered(std::iter::empty());
    assert!(is_woken(&waiter));
    drop(waiter);
    assert!(dispatch.waiting.lock().is_empty() && !dispatch.waits_for(&name("k")));
}

#[test]
fn the_line_is_bounded_by_the_names_in_it() {
    let dispatch = Arc::new(Dispatch::default());
    let many = vec![name("k"); limits::LEASE_NAMES];
    let mut line: Vec<Waiter> = std::iter::from_fn(|| dispatch.waiter(&[], &many)).collect();
    assert_eq!(line.len(), limits::WAITING_NAMES / limits::LEASE_NAMES);
    assert!(dispatch.waiter(&[], &many[..=limits::FEW_NAMES]).is_none());
    let ordinary = dispatch.waiter(&[], &many[..limits::FEW_NAMES]);
    assert!(ordinary.is_some(), "few names find a place beside many");
    drop(ordinary);
    line.pop();
    assert!(dispatch.waiter(&[], &many).is_some());
}
