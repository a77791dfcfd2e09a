//! Kept statistics; that they equal a recount is checked after every behaviour.

use raincheck_core::{Command, NewJob, Outcome, State};

use super::{KIND, QUEUE, World, complete, fail, name, new_job, new_of};

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
