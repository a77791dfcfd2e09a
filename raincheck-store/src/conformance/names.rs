//! The bound of names is one of those in use.

use raincheck_core::{Cancel, Command, Job, LeaseJobs, NewJob, QueuePatch, Refusal, Reply, State, limits};

use super::{World, complete, digest, name, new_of, worker_asks};

/// After a look for names that are in use no more, the next one comes so much later.
const LOOK_AGAIN: i64 = 1_000;

fn numbered(n: usize) -> NewJob {
    new_of(&format!("q{n}"), &format!("k{n}"))
}

/// As many as there may be, each with a job.
async fn fill(world: &World) -> Vec<Job> {
    let mut jobs = Vec::new();
    let all: Vec<usize> = (0..limits::KINDS.max(limits::QUEUES)).collect();
    for some in all.chunks(1_000) {
        let some = some.iter().map(|n| numbered(*n)).collect();
        let Reply::Submitted(taken) = world.one(Command::Submit(some)).await else { panic!("not taken") };
        jobs.extend(taken.iter().map(|one| one.job().clone()));
    }
    jobs
}

/// When all are in use there is no room, neither for a job nor for settings; a name that no job is held of and nothing is
/// set for makes room. One whose purged job has a key stays: the key still stands for it.
pub async fn unused_ones_make_room(world: &mut World) {
    let keyed = |label: &str| {
        let mut new = NewJob { fingerprint: digest("x"), ..new_of("keyed", "k0") };
        new.spec.key = Some(label.into());
        new
    };
    let with_key = world.create(keyed("a")).await;
    let mut jobs = fill_but_one(world).await;
    let stranger = || new_of("stranger", "strange");
    assert_eq!(world.refused(stranger()).await, Refusal::TooManyNames);
    let patch = QueuePatch { paused: Some(true), ..QueuePatch::default() };
    let set = world.one(Command::SetQueue(name("stranger"), patch.clone())).await;
    assert_eq!(set, Reply::Refused(0, Refusal::TooManyNames));
    let known = world.one(Command::SetQueue(name("q1"), patch.clone())).await;
    assert!(matches!(known, Reply::Queue(settings) if settings.paused), "a known one may be set");

    // One by one: with settings, with a key, and then without either.
    for job in [jobs.remove(1), with_key.clone()] {
        world.cancel(job.no).await;
        assert!(matches!(world.one(Command::Purge(job.no)).await, Reply::Purged(_)));
    }
    world.clock.advance(LOOK_AGAIN);
    assert_eq!(world.refused(new_of("stranger", "k0")).await, Refusal::TooManyNames, "settings and keys are kept");
    assert_eq!(world.refused(keyed("a")).await, Refusal::Purged(with_key.id));
    let gone = jobs.remove(1);
    world.cancel(gone.no).await;
    assert!(matches!(world.one(Command::Purge(gone.no)).await, Reply::Purged(_)));
    world.clock.advance(LOOK_AGAIN);
    let new = world.create(stranger()).await;
    assert_eq!((&*new.queue.to_string(), &*new.kind.to_string()), ("stranger", "strange"));
    assert_eq!(world.store.queue(&gone.queue), None, "it is forgotten");
    assert_eq!(world.refused(new_of(gone.queue.as_str(), "k0")).await, Refusal::TooManyNames);
    world.restart().await;
    assert_eq!(world.found(&new).await.job, new);
    assert_eq!(world.found(&jobs[7]).await.job, jobs[7]);
    clear(world, &jobs).await;
}

/// Forgets them all: what is looked at after every behavior is looked at queue by queue.
async fn clear(world: &World, jobs: &[Job]) {
    for some in jobs.chunks(500) {
        let cancel = |job: &Job| Command::Cancel(Cancel { no: job.no, force: false, seq: None });
        world.store.apply(some.iter().map(cancel).collect()).await.unwrap();
        world.store.apply(some.iter().map(|job| Command::Purge(job.no)).collect()).await.unwrap();
    }
}

/// The names of one less, and with the queue `keyed` and the kind `k0` as many queues as there may be.
async fn fill_but_one(world: &World) -> Vec<Job> {
    let mut jobs = Vec::new();
    let all: Vec<usize> = (0..limits::QUEUES - 1).collect();
    for some in all.chunks(1_000) {
        let some = some.iter().map(|n| numbered(*n)).collect();
        let Reply::Submitted(taken) = world.one(Command::Submit(some)).await else { panic!("not taken") };
        jobs.extend(taken.iter().map(|one| one.job().clone()));
    }
    // Kinds are one less than queues so far.
    jobs.push(world.create(new_of("q0", "last")).await);
    jobs
}

/// Upper and lower case are different names, and the longest differ in their last character.
pub async fn each_by_its_own(world: &mut World) {
    let [one, other] = ["A", "a"].map(|last| format!("{}{last}", "Q".repeat(limits::NAME_BYTES - 1)));
    let names = ["Mail::Send", "mail::send", &one, &other];
    let mut made = Vec::new();
    for queue in names {
        for kind in names {
            made.push(world.create(new_of(queue, kind)).await);
        }
    }
    for queue in names {
        assert_eq!(world.store.queue(&name(queue)).map(|queue| queue.by_state[State::Queued as usize]), Some(4));
    }
    for job in &made {
        assert_eq!(world.found(job).await.job, *job);
        let asked = LeaseJobs { queues: vec![job.queue.clone()], ..worker_asks(&[job.kind.as_str()], 9) };
        let leased = world.ask(asked).await;
        assert_eq!(leased.iter().map(|(job, _)| job.no).collect::<Vec<_>>(), [job.no]);
        world.end(leased[0].0.lease_ref(), complete("")).await;
    }
}

/// A batch that is refused takes back what was forgotten for it.
pub async fn a_refused_batch_forgets_none(world: &mut World) {
    let jobs = fill(world).await;
    world.cancel(jobs[0].no).await;
    world.one(Command::Purge(jobs[0].no)).await;
    let both = vec![new_of("new", "new"), new_of("newer", "newer")];
    assert_eq!(world.one(Command::Submit(both)).await, Reply::Refused(1, Refusal::TooManyNames));
    world.clock.advance(LOOK_AGAIN);
    assert_eq!(world.create(numbered(0)).await.queue, name("q0"));
    assert_eq!(world.refused(new_of("new", "k1")).await, Refusal::TooManyNames);
    assert_eq!(world.found(&jobs[9]).await.job, jobs[9]);
    clear(world, &jobs).await;
}
