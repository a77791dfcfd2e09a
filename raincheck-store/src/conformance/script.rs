//! Random commands from several callers at once, from a seed that is printed on failure. What is asked for is worded by
//! the simulation; there a store follows alone and step by step (see `model`), here callers meet as they happen to.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use raincheck_core::{
    Append, Cancel, ChunkKind, Clock, Command, JobNo, LeaseRef, NewJob, Outcome, Overdue, QueuePatch, Reply, Settle,
    Timestamp, Trim,
};
use raincheck_sim::{Plan, ask};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::journal::{CAP_A, CAP_X, Journal};
use super::{World, complete, name, script_check, worker_asks};
use crate::{Renewal, Store};

const CALLERS: u64 = 4;
const STEPS: usize = 25;
struct Known {
    plan: Plan,
    jobs: Vec<JobNo>,
    runs: Vec<LeaseRef>,
    labels: u64,
    journal: Journal,
}

macro_rules! seeds {
    ($($behaviour:ident $from:literal)*) => {
        $(
            /// After each script, every invariant holds, and every job can be brought to its end.
            pub async fn $behaviour(world: &mut World) {
                for seed in ($from..$from + 50).step_by(world.every()) {
                    script(world.another(seed).await, seed).await;
                }
            }
        )*
    };
}
seeds! { fifty_seeds_from_0 0 fifty_seeds_from_50 50 fifty_seeds_from_100 100 fifty_seeds_from_150 150 }

/// Says which seed it was.
pub(super) struct Named(pub &'static str, pub u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the {} of seed {} failed", self.0, self.1);
        }
    }
}

async fn script(mut world: World, seed: u64) {
    let _named = Named("script", seed);
    let plan = Plan::draw(&mut StdRng::seed_from_u64(seed));
    let known = Known { plan, jobs: Vec::new(), runs: Vec::new(), labels: 0, journal: Vec::new() };
    let known = Arc::new(Mutex::new(known));
    let cap = QueuePatch { concurrency: Some(Some(CAP_A)), ..QueuePatch::default() };
    world.one(Command::SetQueue(name("a"), cap)).await;
    for phase in 0..2 {
        world.store.cap_kind(&name("x"), Some(CAP_X));
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..CALLERS {
            let (store, clock, known) = (world.store.clone(), world.clock.clone(), known.clone());
            let mut rng = StdRng::seed_from_u64(seed * 1_000 + phase * 100 + caller);
            callers.spawn(async move {
                for _ in 0..STEPS {
                    if rng.random_bool(0.15) {
                        clock.advance(rng.random_range(0..4_000));
                    }
                    step(&*store, &mut rng, &known, clock.now()).await;
                }
            });
        }
        while let Some(done) = callers.join_next().await {
            done.unwrap();
        }
        if phase == 0 {
            world.restart().await;
        }
    }
    drain(&world).await;
    let journal = std::mem::take(&mut known.lock().unwrap().journal);
    let published = world.published().to_vec();
    script_check::check(&*world.store, &journal, &published).await;
    world.finish().await;
}

/// One to three commands in one call, and what their answers teach.
async fn step(store: &dyn Store, rng: &mut StdRng, known: &Mutex<Known>, now: Timestamp) {
    let commands: Vec<Command> = {
        let mut known = known.lock().unwrap();
        (0..rng.random_range(1..4)).map(|_| command(rng, &mut known, now)).collect()
    };
    if rng.random_bool(0.2) {
        let runs: Vec<LeaseRef> = known.lock().unwrap().runs.clone();
        let renewals = runs.into_iter().map(|lease| Renewal { lease, ttl: None }).collect();
        store.renew(renewals).await.unwrap();
    }
    let replies = store.apply(commands.clone()).await.unwrap();
    let mut known = known.lock().unwrap();
    for (command, reply) in commands.into_iter().zip(replies) {
        match &reply {
            Reply::Submitted(all) => known.jobs.extend(all.iter().map(|submitted| submitted.job().no)),
            Reply::Leased(leased) => known.runs.extend(leased.iter().map(|(job, _)| job.lease_ref())),
            _ => {}
        }
        known.journal.push((command, reply));
    }
    drop(known);
}

fn command(rng: &mut StdRng, known: &mut Known, now: Timestamp) -> Command {
    let no = ask::pick(rng, &known.jobs).unwrap_or(JobNo(7));
    let lease = ask::pick(rng, &known.runs).unwrap_or(LeaseRef { no, attempt: 1 });
    match rng.random_range(0..100) {
        0..22 => Command::Submit(vec![new(rng, known, now)]),
        22..27 => {
            let jobs: Vec<NewJob> = (0..rng.random_range(2..5)).map(|_| new(rng, known, now)).collect();
            match rng.random() {
                true => Command::SubmitBatch(ask::batch(rng, &known.plan, known.labels, jobs)),
                false => Command::Submit(jobs),
            }
        }
        27..47 => {
            let id = rng.random_range(0..9);
            Command::Lease(ask::lease(rng, "worker-1", id))
        }
        47..70 => {
            let outcome = match rng.random_range(0..10) {
                0..7 => ask::end(rng, known.labels % 3),
                7..9 => Outcome::Lost,
                _ => Outcome::TimedOut,
            };
            Command::Settle(Settle { lease, outcome })
        }
        70..72 => Command::Progress(lease, ask::progress(rng)),
        72..73 => Command::Extend(lease, rng.random_range(2_000..20_000)),
        73..76 => {
            let kind = if rng.random() { ChunkKind::Stream } else { ChunkKind::Log };
            let offset = rng.random_bool(0.5).then(|| rng.random_range(0..8));
            let bytes = Bytes::from_static(b"abcd");
            Command::Append(Append { lease, kind, offset, bytes, content_type: None, limit: 16 })
        }
        76..82 => Command::Cancel(Cancel { no, force: rng.random(), seq: None }),
        82..85 => Command::RunNow(no, None),
        85..87 => Command::Purge(no),
        87..89 => {
            let paused = Some(rng.random_bool(0.3));
            Command::SetQueue(name("b"), QueuePatch { paused, ..QueuePatch::default() })
        }
        89..94 => Command::Promote(rng.random_range(0..9)),
        94..96 => Command::Expire(rng.random_range(0..9)),
        96..98 => Command::PurgeExpired(rng.random_range(0..9)),
        98 => Command::DropTombstones(9),
        _ => Command::Trim(Trim::of(99)),
    }
}

fn new(rng: &mut StdRng, known: &mut Known, now: Timestamp) -> NewJob {
    known.labels += 1;
    ask::new_job(rng, &known.plan, known.labels, now)
}

/// Faults stop: every job comes to an end.
async fn drain(world: &World) {
    world.one(Command::SetQueue(name("b"), QueuePatch { paused: Some(false), ..QueuePatch::default() })).await;
    for _ in 0..1_000 {
        let mut commands = vec![Command::Promote(1_000), Command::Expire(1_000)];
        commands.extend(world.store.overdue(1_000).await.unwrap().into_iter().map(|overrun| {
            let outcome = match overrun.why {
                Overdue::Lost => Outcome::Lost,
                Overdue::TimedOut => Outcome::TimedOut,
            };
            Command::Settle(Settle { lease: overrun.lease, outcome })
        }));
        commands.push(Command::Lease(worker_asks(&["x", "y"], 1_000)));
        let Some(Reply::Leased(leased)) = world.store.apply(commands).await.unwrap().pop() else { panic!("no leases") };
        let done = |lease| Command::Settle(Settle { lease, outcome: complete("drained") });
        let ends: Vec<_> = leased.iter().map(|(job, _)| done(job.lease_ref())).collect();
        assert!(world.store.apply(ends).await.unwrap().iter().all(|reply| matches!(reply, Reply::Job(_))));
        let stats = world.store.stats().await.unwrap();
        if stats.queues.iter().all(|queue| queue.by_state[..4].iter().sum::<u64>() == 0) {
            return;
        }
        if leased.is_empty() {
            world.clock.advance(wait(world));
        }
    }
    panic!("some job never came to its end");
}

/// Milliseconds until the store says that it has something to do, at least a second: it may say too early.
fn wait(world: &World) -> i64 {
    let due = world.store.next_due().map(|at| at.since(world.clock.now()));
    let overdue = world.store.next_overdue().map(|at| at - world.clock.ticks());
    due.into_iter().chain(overdue).min().unwrap_or(1_000).max(1_000)
}
