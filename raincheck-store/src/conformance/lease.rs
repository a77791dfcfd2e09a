//! Handing out ready jobs.

use std::collections::HashSet;

use raincheck_core::{Command, Content, EventData, LeaseJobs, NewJob, Pattern, Payload, Reply, State, limits};

use super::{KIND, World, complete, digest, name, new_job, new_of, worker_asks};

fn from(queues: &[&str], kinds: &[&str], max: usize) -> LeaseJobs {
    LeaseJobs { queues: queues.iter().map(|q| name(q)).collect(), ..worker_asks(kinds, max) }
}

/// A leased job runs, on a counted attempt, by a named worker, for the time asked for.
pub async fn hands_out_and_counts_the_attempt(world: &mut World) {
    let job = world.create(new_job()).await;
    world.clock.advance(500);
    let leased = world.lease(5).await;
    assert_eq!(leased.len(), 1);
    let run = &leased[0].0;
    assert_eq!((run.no, run.state, run.attempt, run.seq, run.ttl), (job.no, State::Running, 1, 2, 10_000));
    assert_eq!(run.started_at, Some(job.created_at.plus(500)));
    assert_eq!(world.record(job.no).await.job, *run);
    assert_eq!(world.store.worker(run.lease_ref()).as_deref(), Some("worker-1"));
    let events = world.store.job_events(job.no, 1, 10).await.unwrap();
    assert_eq!(events[0].data, EventData::Started { worker: "worker-1".into() });
    assert!(world.lease(5).await.is_empty(), "it is handed out once");
}

/// Only kinds and queues that were asked for; all queues when none is named.
pub async fn only_what_was_asked_for(world: &mut World) {
    for (queue, kind) in [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")] {
        world.create(new_of(queue, kind)).await;
    }
    let none =
        [from(&[], &[], 9), from(&["nowhere"], &["x"], 9), from(&["a"], &["nothing"], 9), from(&["a"], &["x"], 0)];
    for request in none {
        assert_eq!(world.ask(request).await, []);
    }
    let got = world.ask(from(&["a"], &["x"], 9)).await;
    assert_eq!(got.iter().map(|(j, _)| (j.queue.as_str(), j.kind.as_str())).collect::<Vec<_>>(), [("a", "x")]);
    let got = world.ask(from(&[], &["y", "nothing"], 9)).await;
    assert_eq!(
        got.iter().map(|(j, _)| (j.queue.as_str(), j.kind.as_str())).collect::<Vec<_>>(),
        [("a", "y"), ("b", "y")]
    );
    assert_eq!(world.ask(from(&["b", "a"], &["y", "x"], 9)).await.len(), 1);
}

/// Patterns stand for the kinds that they match, and queues alone for any kind in them; what nobody asked for stays.
pub async fn by_patterns_and_by_queues_alone(world: &mut World) {
    let made = [("a", "shop.email"), ("a", "shop.sms"), ("b", "mail"), ("b", "shop.email"), ("c", "mail")];
    for (queue, kind) in made {
        world.create(new_of(queue, kind)).await;
    }
    let like = |queues: &[&str], patterns: &[&str]| LeaseJobs {
        patterns: patterns.iter().map(|text| Pattern::new(text).unwrap()).collect(),
        ..from(queues, &[], 9)
    };
    for request in [like(&["a"], &["mail*"]), like(&[], &["*.none"]), from(&["d"], &[], 9), like(&["d"], &["*"])] {
        assert_eq!(world.ask(request).await, []);
    }
    let names = |leased: &[(raincheck_core::Job, raincheck_core::Spec)]| {
        leased.iter().map(|(job, _)| format!("{}/{}", job.queue, job.kind)).collect::<Vec<_>>().join(" ")
    };
    let one = world.ask(LeaseJobs { max: 1, ..like(&["b", "a"], &["*email", "shop.*"]) }).await;
    assert_eq!(names(&one), "a/shop.email");
    assert_eq!(names(&world.ask(like(&[], &["*.email"])).await), "b/shop.email");
    // Both in one transaction, each by its own words.
    let both = vec![Command::Lease(from(&["b"], &[], 9)), Command::Lease(like(&[], &["s*p.*", "shop.sms"]))];
    let replies = world.store.apply(both).await.unwrap();
    let [Reply::Leased(first), Reply::Leased(second)] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!((names(first).as_str(), names(second).as_str()), ("b/mail", "a/shop.sms"));
    assert_eq!(names(&world.ask(from(&["c", "a", "c"], &[], 9)).await), "c/mail");
}

/// What became ready first goes first, over all queues and kinds of the request.
pub async fn by_rank_over_queues_and_kinds(world: &mut World) {
    let mut made = Vec::new();
    for n in 0..30 {
        let job = world.create(new_of(["a", "b", "c"][n % 3], ["x", "y"][n % 2])).await;
        made.push(job.no);
        world.clock.advance((n % 4) as i64);
    }
    let mut got = Vec::new();
    while got.len() < 30 {
        let leased = world.ask(from(&[], &["x", "y"], 7)).await;
        assert!(!leased.is_empty());
        got.extend(leased.iter().map(|(job, _)| job.no));
    }
    assert_eq!(got, made);
}

/// Higher priority goes before work that is not much older, and not before work that is.
pub async fn priority_goes_first_but_not_for_ever(world: &mut World) {
    let old = world.create(new_job()).await;
    world.clock.advance(10 * 60_000 + 1);
    let low = world.create(new_job()).await;
    let least = world.create(NewJob { priority: -1, ..new_job() }).await;
    world.clock.advance(1_000);
    let high = world.create(NewJob { priority: 10, ..new_job() }).await;
    let order: Vec<_> = world.lease(9).await.iter().map(|(job, _)| job.no).collect();
    assert_eq!(order, [old.no, high.no, low.no, least.no]);
    let older = world.create(new_job()).await;
    world.clock.advance(10 * 60_000 + 1);
    let high = world.create(NewJob { priority: 10, ..new_job() }).await;
    let order: Vec<_> = world.lease(9).await.iter().map(|(job, _)| job.no).collect();
    assert_eq!(order, [older.no, high.no], "ten minutes of head start and no more");
}

/// A name said twice in a request changes nothing.
pub async fn names_given_twice_count_once(world: &mut World) {
    let job = world.create(new_job()).await;
    let leased = world.ask(from(&["q", "q", "q"], &[KIND, KIND], 9)).await;
    assert_eq!(leased.iter().map(|(job, _)| job.no).collect::<Vec<_>>(), [job.no]);
}

/// However many ask at once, a job is handed to one.
pub async fn two_workers_never_get_one_job(world: &mut World) {
    world.one(Command::Submit((0..200).map(|_| new_job()).collect())).await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..16 {
        let store = world.store.clone();
        calls.spawn(async move {
            let mut got = Vec::new();
            loop {
                let request = worker_asks(&[KIND], 1 + n % 5);
                let replies = store.apply(vec![Command::Lease(request)]).await.unwrap();
                let [Reply::Leased(leased)] = &replies[..] else { panic!("{replies:?}") };
                if leased.is_empty() {
                    return got;
                }
                got.extend(leased.iter().map(|(job, _)| job.no));
            }
        });
    }
    let got: Vec<_> = calls.join_all().await.concat();
    assert_eq!(got.len(), 200);
    assert_eq!(got.iter().collect::<HashSet<_>>().len(), 200);
}

/// Finishing and leasing in one request: the lease sees what the commands before it did.
pub async fn sees_what_stands_before_it_in_the_request(world: &mut World) {
    let lease = world.running(new_job()).await;
    let settle = raincheck_core::Settle { lease, outcome: complete("1") };
    let commands =
        vec![Command::Settle(settle), Command::Submit(vec![new_job()]), Command::Lease(worker_asks(&[KIND], 5))];
    let replies = world.store.apply(commands).await.unwrap();
    let [Reply::Job(_), Reply::Submitted(all), Reply::Leased(leased)] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!(leased.len(), 1);
    assert_eq!(leased[0].0.no, all[0].job().no);
}

/// What is handed out is read into memory: a request ends where the inputs of its jobs are much, and those that come at once
/// share what there is, and nobody gets nothing.
pub async fn inputs_end_a_request(world: &mut World) {
    let large = || {
        let mut new = new_job();
        new.spec.input =
            Content { payload: Payload::Inline(vec![b'1'; limits::INLINE_BYTES].into()), ..Content::default() };
        new
    };
    let (few, all) = (limits::PAGE_BYTES / limits::INLINE_BYTES, limits::LEASED_BYTES / limits::INLINE_BYTES);
    let count = few + all + 40;
    world.one(Command::Submit((0..count).map(|_| large()).collect())).await;
    assert_eq!(world.lease(count).await.len(), few);
    let asked = std::iter::repeat_n(Command::Lease(worker_asks(&[KIND], count)), all / few + 3).collect();
    let replies = world.store.apply(asked).await.unwrap();
    let got = replies.iter().map(|reply| if let Reply::Leased(leased) = reply { leased.len() } else { 0 });
    assert_eq!(got.collect::<Vec<_>>(), [vec![few; all / few], vec![1; 3]].concat());
    assert_eq!(world.lease(count).await.len(), 37, "what was not handed out is there for the next");
    // Small ones are bounded by their count alone.
    world.one(Command::Submit((0..200).map(|_| new_job()).collect())).await;
    assert_eq!(world.lease(150).await.len(), 150);
}

/// A job whose time to start has passed is failed instead of handed out, and the next one is handed out in its place.
pub async fn skips_what_came_too_late(world: &mut World) {
    let start_by = Some(raincheck_core::Clock::now(&*world.clock).plus(1_000));
    let mut late = Vec::new();
    for _ in 0..5 {
        late.push(world.create(NewJob { start_by, ..new_job() }).await.no);
    }
    let good = world.create(new_job()).await;
    world.clock.advance(1_000);
    let leased = world.lease(1).await;
    assert_eq!(leased.iter().map(|(job, _)| job.no).collect::<Vec<_>>(), [good.no]);
    for no in late {
        let record = world.record(no).await;
        assert_eq!((record.job.state, record.job.attempt), (State::Failed, 0));
        assert_eq!(record.failure.unwrap().code, raincheck_core::FailureCode::Expired);
    }
}

/// A request asked again, because its answer was lost, gets the same leases and no others; so after a restart.
pub async fn the_same_request_gets_the_same_leases(world: &mut World) {
    world.one(Command::Submit((0..4).map(|_| new_job()).collect())).await;
    let request = |id: &str| LeaseJobs { request_id: Some(digest(id)), ..worker_asks(&[KIND], 2) };
    let first = world.ask(request("one")).await;
    assert_eq!(first.len(), 2);
    assert_eq!(world.ask(request("one")).await, first);
    let second = world.ask(request("two")).await;
    assert!(second.iter().all(|lease| !first.contains(lease)) && second.len() == 2);
    world.restart().await;
    assert_eq!(world.ask(request("one")).await, first);
    let both = vec![Command::Lease(request("one")), Command::Lease(request("one"))];
    assert_eq!(world.store.apply(both).await.unwrap(), [Reply::Leased(first.clone()), Reply::Leased(first)]);
}

/// Leases that have ended are not given again, and a request that got nothing may be asked again.
pub async fn a_request_does_not_get_leases_that_are_over(world: &mut World) {
    let request = LeaseJobs { request_id: Some(digest("one")), ..worker_asks(&[KIND], 2) };
    assert_eq!(world.ask(request.clone()).await, []);
    world.one(Command::Submit((0..4).map(|_| new_job()).collect())).await;
    let leased = world.ask(request.clone()).await;
    world.end(leased[0].0.lease_ref(), complete("1")).await;
    assert_eq!(world.ask(request.clone()).await, leased[1..]);
    world.end(leased[1].0.lease_ref(), raincheck_core::Outcome::Release { delay: 0 }).await;
    assert_eq!(world.ask(request.clone()).await, [], "a late repeat takes no new work");
    world.clock.advance(11 * 60_000);
    world.sweep(Command::DropTombstones(10)).await;
    assert_eq!(world.ask(request).await.len(), 2, "by then it is another request");
}
