//! What follows from a decision: another job's change in the same transaction. No rule names any yet, so these go by one
//! that the ids of jobs tell.

use raincheck_core::interpreter::{FollowUp, Following};
use raincheck_core::{Cancel, Clock, Command, Job, JobNo, NewJob, OnLost, Outcome, Reply, Settle, State};
use raincheck_sim::ask;

use super::make::{complete, new_job, worker_asks};
use super::world::World;

/// How long those wait that others promote.
const DELAY: i64 = 86_400_000;

/// A world in which something follows, at most so much in one transaction.
async fn begin(world: &mut World, rounds: usize, most: usize) {
    world.setup.following = Following { rule: Some(ask::follows), rounds, most };
    world.restart().await;
}

async fn waits(world: &World) -> Job {
    world.create(NewJob { delay: DELAY, ..new_job() }).await
}

/// A job from whose end this follows.
fn then(follow_up: FollowUp, number: u32) -> NewJob {
    NewJob { id: Some(ask::then(follow_up, number)), ..new_job() }
}

fn cancel(job: &Job) -> Command {
    Command::Cancel(Cancel { no: job.no, force: false, seq: None })
}

async fn state(world: &World, job: &Job) -> State {
    world.record(job.no).await.job.state
}

/// One transaction has both, and its caller is answered what it asked.
pub async fn the_end_of_one_promotes_another(world: &mut World) {
    begin(world, 8, 512).await;
    let waits = waits(world).await;
    let run = world.running(then(FollowUp::RunNow(waits.no), 1)).await;
    // A run that ends is not the end of its job.
    world.end(run, Outcome::Release { delay: 0 }).await;
    assert_eq!(state(world, &waits).await, State::Scheduled);
    let run = world.run_one().await;
    let before = world.published().len();
    let job = world.end(run, complete("1")).await;
    assert_eq!((job.no, job.state), (run.no, State::Succeeded));
    let published: Vec<_> = world.published()[before..].iter().map(|event| (event.no, event.state)).collect();
    assert_eq!(published, [(run.no, State::Succeeded), (waits.no, State::Queued)]);
    assert_eq!(world.story(waits.no).await, "created queued");
    assert!(!world.store.is_left_over());
}

/// It is there for a lease that came with the end.
pub async fn a_lease_sees_what_was_promoted(world: &mut World) {
    begin(world, 8, 512).await;
    let waits = waits(world).await;
    let lease = world.running(then(FollowUp::RunNow(waits.no), 1)).await;
    let end = Command::Settle(Settle { lease, outcome: complete("1") });
    let replies = world.store.apply(vec![end, Command::Lease(worker_asks(&["k"], 9))]).await.unwrap();
    let Reply::Leased(leased) = &replies[1] else { panic!("{replies:?}") };
    assert_eq!(leased.iter().map(|(job, _)| job.no).collect::<Vec<_>>(), [waits.no]);
    assert_eq!(world.story(waits.no).await, "created queued started");
}

/// What follows may be followed by more; rounds that are too many are left over, whatever happens before they are taken up.
pub async fn chains_go_on_in_rounds(world: &mut World) {
    begin(world, 2, 512).await;
    let mut chain = vec![world.create(new_job()).await];
    for number in 1..5 {
        let next = chain.last().unwrap().no;
        chain.push(world.create(then(FollowUp::Cancel(next), number)).await);
    }
    chain.reverse();
    let canceled = async |world: &World| {
        let mut count = 0;
        for job in &chain {
            count += usize::from(state(world, job).await == State::Canceled);
        }
        count
    };
    world.one(cancel(&chain[0])).await;
    assert_eq!((canceled(world).await, world.store.is_left_over()), (3, true));
    world.restart().await;
    assert_eq!((canceled(world).await, world.store.is_left_over()), (3, true));
    assert_eq!(world.sweep(Command::CatchUp(9)).await, 1);
    assert_eq!((canceled(world).await, world.store.is_left_over()), (5, false));
    let order: Vec<JobNo> = world.published().iter().filter(|e| e.state == State::Canceled).map(|e| e.no).collect();
    assert_eq!(order, chain.iter().map(|job| job.no).collect::<Vec<_>>());
}

/// More than fits is left over, oldest first, and caught up with as much at a time.
pub async fn what_is_too_much_is_caught_up(world: &mut World) {
    begin(world, 8, 3).await;
    let (mut waiting, mut ends) = (Vec::new(), Vec::new());
    for number in 0..8 {
        let waits = waits(world).await;
        let job = world.create(then(FollowUp::RunNow(waits.no), number)).await;
        ends.push(cancel(&job));
        waiting.push(waits);
    }
    let replies = world.store.apply(ends).await.unwrap();
    assert!(replies.iter().all(|reply| matches!(reply, Reply::Job(job) if job.state == State::Canceled)));
    let promoted = async |world: &World| {
        let mut states = Vec::new();
        for job in &waiting {
            states.push(state(world, job).await == State::Queued);
        }
        let count = states.iter().filter(|queued| **queued).count();
        assert!(states[..count].iter().all(|queued| *queued), "the oldest go first: {states:?}");
        (count, world.store.is_left_over())
    };
    assert_eq!(promoted(world).await, (3, true));
    world.restart().await;
    assert_eq!(promoted(world).await, (3, true));
    assert_eq!(world.sweep(Command::CatchUp(2)).await, 2);
    assert_eq!(promoted(world).await, (5, true));
    // Those that were left over go before those that are new.
    let late = waits(world).await;
    let job = world.create(then(FollowUp::RunNow(late.no), 9)).await;
    world.store.apply(vec![cancel(&job), Command::CatchUp(9)]).await.unwrap();
    assert_eq!(promoted(world).await, (8, true));
    assert_eq!(state(world, &late).await, State::Scheduled);
    assert_eq!(world.sweep(Command::CatchUp(9)).await, 1);
    assert_eq!(state(world, &late).await, State::Queued);
    assert_eq!(world.sweep(Command::CatchUp(9)).await, 0);
    assert!(!world.store.is_left_over());
}

/// A job that is not there, or does not wait for a time, is no reason to take anything back.
pub async fn a_refused_one_takes_nothing_back(world: &mut World) {
    begin(world, 8, 512).await;
    let (queued, waits) = (world.create(new_job()).await, waits(world).await);
    let mut ends = Vec::new();
    for (number, no) in (0..).zip([JobNo(7), queued.no, waits.no]) {
        ends.push(cancel(&world.create(then(FollowUp::RunNow(no), number)).await));
    }
    let before = world.published().len();
    world.store.apply(ends).await.unwrap();
    let published: Vec<State> = world.published()[before..].iter().map(|event| event.state).collect();
    assert_eq!(published, [State::Canceled, State::Canceled, State::Canceled, State::Queued]);
    assert_eq!((state(world, &queued).await, state(world, &waits).await), (State::Queued, State::Queued));
    assert!(!world.store.is_left_over());
}

/// Whoever ends a job: its worker, a sweep, or a lease that it came too late for.
pub async fn every_end_counts(world: &mut World) {
    begin(world, 8, 512).await;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(waits(world).await);
    }
    let naming = |at: usize| then(FollowUp::RunNow(waiting[at].no), at as u32);
    let lost = world.running(NewJob { on_lost: OnLost::Fail, ..naming(0) }).await;
    let mut slow = NewJob { timeout: 5_000, ..naming(1) };
    slow.spec.retry.max_attempts = 1;
    let slow = world.running(slow).await;
    let late = Some(world.clock.now().plus(10_000));
    world.create(NewJob { start_by: late, ..naming(2) }).await;
    world.clock.advance(5_000);
    world.settle(slow, Outcome::TimedOut).await;
    world.clock.advance(5_000);
    world.settle(lost, Outcome::Lost).await;
    assert_eq!(world.sweep(Command::Expire(9)).await, 1);
    let late = Some(world.clock.now().plus(10));
    world.create(NewJob { start_by: late, priority: 100, ..naming(3) }).await;
    world.clock.advance(10);
    let leased = world.lease(9).await;
    assert_eq!(leased.len(), 3, "those that were promoted before");
    for (at, job) in waiting.iter().enumerate() {
        assert_eq!(
            world.story(job.no).await,
            ["created queued started", "created queued"][usize::from(at == 3)],
            "{at}"
        );
    }
}
