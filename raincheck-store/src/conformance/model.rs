//! A world of the simulation, lived again by a real store: after every step it must say and hold what the simulated
//! store does, to the last member. What the simulation shows of the one is so shown of the other.

use raincheck_core::{ChunkKind, Command, Job, JobNo, LeaseRef, ObjectKind, Overdue, Payload, Reply, Spec};
use raincheck_sim::check::Done;
use raincheck_sim::{Model, Sim, Step, ask};

use super::World;
use super::script::Named;
use crate::{Found, Overrun, QueueStats, Record, Renewal, Renewed, ResultInfo};

const OPS: u64 = 600;

macro_rules! worlds {
    ($($behaviour:ident $from:literal)*) => {
        $(
            /// Five worlds, each followed step by step.
            pub async fn $behaviour(world: &mut World) {
                for seed in $from..$from + 5 {
                    follow(world.another(seed).await, seed).await;
                }
            }
        )*
    };
}
worlds! { five_worlds_from_0 0 five_worlds_from_5 5 five_worlds_from_10 10 five_worlds_from_15 15 }

async fn follow(mut world: World, seed: u64) {
    let _named = Named("world", seed);
    let mut sim = Sim::traced(seed);
    let setup = sim.setup();
    (world.setup.max_queued, world.setup.max_in_all) = (setup.max_queued, setup.max_in_all);
    world.setup.tombstone = setup.tombstone;
    world.setup.feed = setup.feed;
    world.setup.following = setup.following;
    restart(&mut world, sim.store()).await;
    while sim.ops() < OPS {
        sim.step().unwrap();
        let trace = sim.take_trace();
        if trace.is_empty() {
            continue;
        }
        let mut touched = Vec::new();
        for step in trace {
            live(&mut world, sim.store(), step, &mut touched).await;
        }
        touched.sort_unstable();
        touched.dedup();
        for no in touched {
            same_job(&world, sim.store(), no).await;
        }
        same_stats(&world, sim.store()).await;
    }
    sim.drain().unwrap();
    for step in sim.take_trace() {
        live(&mut world, sim.store(), step, &mut Vec::new()).await;
    }
    let all: Vec<JobNo> = super::check::everything(&*world.store).await.iter().map(|record| record.job.no).collect();
    assert!(all.iter().rev().eq(sim.store().jobs().map(|job| &job.no)), "the same jobs are there");
    for no in all {
        same_job(&world, sim.store(), no).await;
    }
    same_stats(&world, sim.store()).await;
    world.finish().await;
}

async fn restart(world: &mut World, model: &Model) {
    world.restart().await;
    for (kind, cap) in &model.kind_caps {
        world.store.cap_kind(kind, Some(*cap));
    }
}

/// Does one step; answers and events must be the same.
async fn live(world: &mut World, model: &Model, step: Step, touched: &mut Vec<JobNo>) {
    match step {
        Step::Pass(by) => world.clock.advance(by),
        Step::Jump(by) => world.clock.jump(by),
        Step::Restart => restart(world, model).await,
        Step::Renew(lease, ttl, expected) => {
            let answers = world.store.renew(vec![Renewal { lease, ttl }]).await.unwrap();
            let expected =
                expected.map_or(Renewed::Lost, |(ttl, cancel_requested)| Renewed::Extended { ttl, cancel_requested });
            assert_eq!(answers, [expected], "{lease:?}");
        }
        Step::Apply(all) => {
            let before = world.published().len();
            let asked: Vec<&Done> = all.iter().filter(|done| done.is_asked).collect();
            let replies = world.store.apply(asked.iter().map(|done| done.command.clone()).collect()).await.unwrap();
            assert_eq!(replies.len(), asked.len());
            for (done, reply) in asked.into_iter().zip(&replies) {
                assert_eq!(reply, &done.reply, "{:#?}", done.command);
            }
            all.iter().for_each(|done| jobs_of(done, touched));
            let events: Vec<_> = all.iter().flat_map(|done| &done.events).collect();
            assert_eq!(world.published()[before..].iter().collect::<Vec<_>>(), events, "{all:#?}");
        }
    }
}

fn jobs_of(done: &Done, touched: &mut Vec<JobNo>) {
    touched.extend(done.events.iter().map(|event| event.no));
    touched.extend(&done.gone);
    match (&done.command, &done.reply) {
        (Command::Append(append), _) => touched.push(append.lease.no),
        (_, Reply::Submitted(all)) => touched.extend(all.iter().map(|one| one.job().no)),
        _ => {}
    }
}

/// Everything that is kept of a job.
async fn same_job(world: &World, model: &Model, no: JobNo) {
    let store = &*world.store;
    let Some((job, spec)) = model.job(no).zip(model.spec(no)) else {
        assert_eq!(store.record(no).await.unwrap(), None);
        return;
    };
    let record = expected(model, job, spec);
    assert_eq!(store.record(no).await.unwrap().as_ref(), Some(&record));
    assert_eq!(store.job(job.id).await.unwrap(), Found::Here(record));
    assert_eq!(store.input(no).await.unwrap().as_ref(), Some(&spec.input));
    assert_eq!(store.result(no).await.unwrap().as_ref(), model.result(no));
    assert!(store.job_events(no, 0, 10_000).await.unwrap().iter().eq(model.job_events(no)), "{no:?}");
    let lease = LeaseRef { no, attempt: job.attempt };
    assert_eq!(store.worker(lease).as_deref(), model.worker(lease));
    for kind in [ChunkKind::Stream, ChunkKind::Log] {
        let chunks = store.chunks(no, kind, job.attempt, 0, usize::MAX).await.unwrap();
        let bytes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.bytes.to_vec()).collect();
        assert_eq!(bytes, model.chunks(no, kind, job.attempt), "{kind:?} of {no:?}");
    }
}

fn expected(model: &Model, job: &Job, spec: &Spec) -> Record {
    let (failure, progress) = model.reports(job.no);
    let result = model.result(job.no).map(|result| ResultInfo {
        content_type: result.content_type.clone(),
        filename: result.filename.clone(),
        size: result.payload.size(),
        digest: result.digest,
        value: match &result.payload {
            Payload::Inline(bytes) => Some(bytes.clone()),
            Payload::Empty | Payload::Blob { .. } => None,
        },
    });
    let mut shown = spec.clone();
    shown.input.payload = Payload::Empty;
    Record {
        job: job.clone(),
        spec: shown,
        input_size: spec.input.payload.size(),
        progress: progress.cloned(),
        failure: failure.cloned(),
        result,
    }
}

/// Statistics, bounds of the feed, and what is due next.
async fn same_stats(world: &World, model: &Model) {
    let store = &*world.store;
    let stats = store.stats().await.unwrap();
    let queues = model.queues().map(|(name, settings, [tickets, served], by_state)| QueueStats {
        name: Some(name.clone()),
        settings: settings.clone(),
        by_state,
        tickets,
        served,
    });
    assert_eq!(stats.queues, queues.collect::<Vec<_>>());
    for kind in ask::KINDS.map(ask::name) {
        let there = stats.kinds.iter().find(|stats| stats.name == kind).map(|stats| stats.by_state);
        assert_eq!(there.unwrap_or_default(), model.kind(&kind), "kind {kind}");
    }
    let objects = store.objects(ObjectKind::Reader, None, 100).await.unwrap();
    assert!(objects.iter().eq(model.objects()), "{objects:?}");
    assert_eq!(store.feed_bounds().await.unwrap(), model.feed_bounds());
    assert_eq!(store.next_overdue(), model.next_overdue());
    let mut overdue = store.overdue(10_000).await.unwrap();
    overdue.sort_unstable_by_key(|overrun| overrun.lease);
    let over = |(lease, why): (LeaseRef, Overdue)| Overrun { lease, why };
    assert_eq!(overdue, model.overdue().into_iter().map(over).collect::<Vec<_>>());
    assert!(store.is_left_over() || model.left_over().next().is_none());
    for (said, due) in [(store.next_due(), model.next_due()), (store.next_expiry(), model.next_expiry())] {
        assert!(due.is_none_or(|due| said.is_some_and(|said| said <= due)), "due at {due:?}, said {said:?}");
    }
}
