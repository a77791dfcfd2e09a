use super::*;
use crate::samples::name;
use raincheck_core::{Pattern, limits};

/// A wake for a job in queue `q`.
fn wake(dispatch: &Dispatch, kind: &str, job: i64) -> bool {
    let (queue, kind) = (Some(name("q")), Some(name(kind)));
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
    let (patterns, kinds): (Vec<&str>, Vec<&str>) = kinds.iter().partition(|text| Pattern::is_meant(text));
    let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::new(text).unwrap()).collect();
    let wanted = Wanted { queues: &names(queues), kinds: &names(&kinds), patterns: &patterns };
    let mut waiter = dispatch.waiter(wanted).unwrap();
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
    assert!(dispatch.waiting.lock().is_empty() && !dispatch.waits_for(&name("q"), &name("k")));
}

#[test]
fn the_line_is_bounded_by_the_names_in_it() {
    let dispatch = Arc::new(Dispatch::default());
    let many = vec![name("k"); limits::LEASE_NAMES];
    fn of(kinds: &[Name]) -> Wanted<'_> {
        Wanted { queues: &[], kinds, patterns: &[] }
    }
    let mut line: Vec<Waiter> = std::iter::from_fn(|| dispatch.waiter(of(&many))).collect();
    assert_eq!(line.len(), limits::WAITING_NAMES / limits::LEASE_NAMES);
    assert!(dispatch.waiter(of(&many[..=limits::FEW_NAMES])).is_none());
    let ordinary = dispatch.waiter(of(&many[..limits::FEW_NAMES]));
    assert!(ordinary.is_some(), "few names find a place beside many");
    drop(ordinary);
    line.pop();
    assert!(dispatch.waiter(of(&many)).is_some());
}

#[test]
fn the_oldest_is_woken_whichever_way_it_serves() {
    let dispatch = Arc::new(Dispatch::default());
    let elsewhere = waiter(&dispatch, &["z"], &[]);
    let (by_queue, by_pattern) = (waiter(&dispatch, &["z", "q"], &[]), waiter(&dispatch, &[], &["x", "shop.*"]));
    let by_kind = waiter(&dispatch, &["q"], &["shop.email"]);
    assert!((1..=3).all(|job| wake(&dispatch, "shop.email", job)));
    assert_eq!([&elsewhere, &by_queue, &by_pattern, &by_kind].map(is_woken), [false, true, true, true]);
    assert!(!wake(&dispatch, "shop.email", 4) && !wake(&dispatch, "x", 5), "each is woken once");
}

#[test]
fn a_wake_goes_on_to_those_who_serve_the_job_in_another_way() {
    let dispatch = Arc::new(Dispatch::default());
    let (by_pattern, by_queue) = (waiter(&dispatch, &[], &["shop.*"]), waiter(&dispatch, &["q"], &[]));
    let (other, mut late) = (waiter(&dispatch, &[], &["mail.*"]), waiter(&dispatch, &[], &["*"]));
    assert!(wake(&dispatch, "shop.email", 1) && is_woken(&by_pattern));
    drop(by_pattern);
    assert!(is_woken(&by_queue));
    drop(by_queue);
    assert_eq!([&other, &late].map(is_woken), [false, true]);
    late.arm();
    late.answered([JobNo(9)].into_iter());
    drop(late);
    assert!(!is_woken(&other), "the job is not for it");
    let by_queue = waiter(&dispatch, &["q"], &[]);
    assert!(wake(&dispatch, "any", 2) && is_woken(&by_queue), "nothing was left behind in the line");
    drop((other, by_queue));
    assert!(dispatch.waiting.lock().is_empty() && !dispatch.waits_for(&name("q"), &name("shop.email")));
}

#[test]
fn a_look_gives_everybody_a_turn() {
    let dispatch = Arc::new(Dispatch::default());
    let mut line =
        [waiter(&dispatch, &["a"], &["k"]), waiter(&dispatch, &["b"], &["k"]), waiter(&dispatch, &[], &["*"])];
    let look = || Wake { queue: None, kind: Some(name("k")), job: None, chain: true };
    let mut woken = Vec::new();
    for _ in 0..6 {
        assert!(dispatch.waiting.lock().wake(look()));
        let one = line.iter().position(is_woken).unwrap();
        // The job is in a queue that it does not serve.
        line[one].arm();
        line[one].answered(std::iter::empty());
        woken.push(one);
    }
    assert!((0..3).all(|one| woken.contains(&one)), "{woken:?}");
}

#[test]
fn patterns_in_the_line_are_bounded_and_equal_ones_count_once() {
    let dispatch = Arc::new(Dispatch::default());
    let patterns =
        |of: std::ops::Range<usize>| of.map(|n| Pattern::new(&format!("k{n}.*")).unwrap()).collect::<Vec<_>>();
    let join = |patterns: &[Pattern]| dispatch.waiter(Wanted { queues: &[], kinds: &[], patterns });
    let all = join(&patterns(0..limits::WAITING_PATTERNS)).unwrap();
    assert!(join(&patterns(0..limits::LEASE_PATTERNS)).is_some());
    assert!(join(&patterns(limits::WAITING_PATTERNS..limits::WAITING_PATTERNS + 1)).is_none());
    drop(all);
    assert!(join(&patterns(limits::WAITING_PATTERNS..limits::WAITING_PATTERNS + 1)).is_some());
}
