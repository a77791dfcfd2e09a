//! Kept statistics; that they equal a recount is checked after every behaviour.

use raincheck_core::{Clock as _, Command, LeaseJobs, NewJob, Outcome, QueuePatch, State};

use super::{KIND, QUEUE, World, complete, fail, name, new_job, new_of, worker_asks};

async fn states(world: &World) -> [u64; 7] {
    let stats = world.store.queue(&name(QUEUE)).unwrap();
    let kinds = world.store.stats().await.unwrap().kinds;
    assert_eq!(kinds[0].by_state, stats.by_state);
    stats.by_state
}

/// One job moves through the statistics as it does through its states.
pub async fn follow_every_move(world: &mut World) {
    let job = world.create(NewJob { delay: 1_000, ..new_job() }).await;
    assert_eq!(states(world).await, [1, 0, 0, 0, 0, 0, 0]);
    world.one(Command::RunNow(job.no, None)).await;
    assert_eq!(states(world).await, [0, 1, 0, 0, 0, 0, 0]);
    let lease = world.run_one().await;
    assert_eq!(states(world).await, [0, 0, 0, 1, 0, 0, 0]);
    world.end(lease, fail("no")).await;
    assert_eq!(states(world).await, [1, 0, 0, 0, 0, 0, 0]);
    world.one(Command::RunNow(job.no, None)).await;
    let lease = world.run_one().await;
    world.end(lease, complete("1")).await;
    assert_eq!(states(world).await, [0, 0, 0, 0, 1, 0, 0]);
    world.restart().await;
    assert_eq!(states(world).await, [0, 0, 0, 0, 1, 0, 0]);
    world.one(Command::Purge(job.no)).await;
    assert_eq!(states(world).await, [0; 7]);
}

/// Queues by name, kinds over all queues.
pub async fn of_queues_and_kinds(world: &mut World) {
    for (queue, kind) in [("b", "x"), ("a", "x"), ("a", "y"), ("b", "x")] {
        world.create(new_of(queue, kind)).await;
    }
    let stats = world.store.stats().await.unwrap();
    let queued = State::Queued as usize;
    let queues: Vec<_> = stats.queues.iter().map(|q| (q.name.clone().unwrap(), q.by_state[queued])).collect();
    let kinds: Vec<_> = stats.kinds.iter().map(|k| (k.name.clone(), k.by_state[queued])).collect();
    assert_eq!(queues, [(name("a"), 2), (name("b"), 2)]);
    assert_eq!(kinds, [(name("x"), 3), (name("y"), 1)]);
    let holding: Vec<_> = stats.kinds.iter().map(|k| k.queues.as_slice()).collect();
    assert_eq!(holding, [&[name("a"), name("b")][..], &[name("a")]]);
}

/// The longest wait of a queue is that of the job that became ready first, wherever it came from, and paused or not.
pub async fn oldest_at_the_head_of_each_line(world: &mut World) {
    let start = world.clock.now();
    let waits = async |world: &World| {
        let oldest = world.store.oldest_ready().await.unwrap().into_iter();
        oldest.map(|(queue, at)| (queue.to_string(), at.since(start))).collect::<Vec<_>>()
    };
    let waiting =
        |queues: &[(&str, i64)]| queues.iter().map(|(queue, at)| (String::from(*queue), *at)).collect::<Vec<_>>();
    assert_eq!(waits(world).await, []);
    // One is asked for an hour too late, one is to wait for three seconds.
    world.create(NewJob { run_at: Some(start.plus(-3_600_000)), ..new_of("b", "x") }).await;
    let later = world.create(NewJob { delay: 3_000, ..new_of("c", "x") }).await;
    world.clock.advance(1_000);
    world.create(new_of("a", "y")).await;
    // Of more priority, so that it is next, but not for the longest.
    world.clock.advance(1_000);
    world.create(NewJob { priority: 100, ..new_of("a", "y") }).await;
    world.create(new_of("a", "z")).await;
    assert_eq!(waits(world).await, waiting(&[("a", 1_000), ("b", 0)]));
    world.clock.advance(1_500);
    world.one(Command::RunNow(later.no, None)).await;
    let pause = QueuePatch { paused: Some(true), ..QueuePatch::default() };
    world.one(Command::SetQueue(name("b"), pause)).await;
    assert_eq!(waits(world).await, waiting(&[("a", 1_000), ("b", 0), ("c", 3_500)]));
    // What was given back is ready anew.
    let of_c = LeaseJobs { queues: vec![name("c")], ..worker_asks(&["x"], 1) };
    let lease = world.ask(of_c).await[0].0.lease_ref();
    world.clock.advance(500);
    world.end(lease, Outcome::Release { delay: 0 }).await;
    assert_eq!(waits(world).await[2], (String::from("c"), 4_000));
    world.restart().await;
    assert_eq!(waits(world).await, waiting(&[("a", 1_000), ("b", 0), ("c", 4_000)]));
}

/// Tickets count who came, served counts who left the line for the first time, however.
pub async fn tickets_and_served(world: &mut World) {
    let stats = |world: &World| {
        let queue = world.store.queue(&name(QUEUE)).unwrap();
        (queue.tickets, queue.served)
    };
    for ticket in 1..=4 {
        assert_eq!(world.create(new_job()).await.ticket, ticket);
    }
    assert_eq!(world.create(new_of("another", KIND)).await.ticket, 1);
    assert_eq!(stats(world), (4, 0));
    let lease = world.lease(1).await[0].0.lease_ref();
    assert_eq!(stats(world), (4, 1));
    world.clock.advance(1);
    world.end(lease, Outcome::Release { delay: 0 }).await;
    world.lease(1).await;
    assert_eq!(stats(world), (4, 2));
    let last = world.create(new_job()).await;
    world.cancel(last.no).await;
    assert_eq!(stats(world), (5, 3));
    world.restart().await;
    assert_eq!(stats(world), (5, 3));
    assert_eq!(world.create(new_job()).await.ticket, 6);
}
