//! What a submit makes, alone and in batches.

use raincheck_core::{
    Command, Content, EventType, JobId, Method, OnLost, Payload, Refusal, Reply, Retention, RetryPolicy, Spec, State,
    Submitted,
};
use uuid::Uuid;

use super::check::{everything, whole_feed};
use super::{KIND, QUEUE, World, content, digest, name, new_job, new_of};

/// A submit makes a job and its event number 1, and nothing else.
pub async fn creates_a_job_and_its_first_event(world: &mut World) {
    let job = world.create(new_job()).await;
    assert_eq!((job.state, job.seq, job.attempt, job.shared), (State::Queued, 1, 0, 1));
    assert_eq!((&job.queue, &job.kind), (&name(QUEUE), &name(KIND)));
    assert_eq!(job.created_at, job.run_at);
    assert_eq!(world.found(&job).await.job, job);
    let events = world.store.job_events(job.no, 0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].seq, events[0].data.event_type()), (1, EventType::Created));
    assert_eq!((events[0].job, events[0].state, events[0].at), (job.id, State::Queued, job.created_at));
}

/// Nothing of what the client asked for is lost or changed.
pub async fn keeps_everything_the_client_asked_for(world: &mut World) {
    let mut new = new_of("acme.default", "video.compress");
    new.method = Method::Get;
    new.priority = -7;
    new.on_lost = OnLost::Fail;
    new.max_losses = 7;
    new.timeout = 77_000;
    new.retention = Retention { succeeded: 5_000, failed: 6_000 };
    new.start_by = Some(raincheck_core::Timestamp(1_760_000_100_000));
    *new.spec = Spec {
        label: Some("clip \u{1F39E} \"x\"".into()),
        key: Some("k 1".into()),
        tags: vec![("a".into(), "1".into()), ("b".into(), "".into())],
        input: Content { content_type: Some("text/plain".into()), filename: Some("../x".into()), ..content("\u{0}in") },
        retry: RetryPolicy { max_attempts: 9, initial: 3, factor: 1.5, max: 4_000, jitter: true },
        rerun_of: Some(JobId(Uuid::from_u128(0x9f1c_2c3d_4e5f_4a6b_8c7d_1234_5678_9abc))),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        tracestate: Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".into()),
    };
    let job = world.create(new.clone()).await;
    world.restart().await;
    let record = world.found(&job).await;
    assert_eq!(record.job, job);
    assert_eq!((job.method, job.priority, job.on_lost, job.timeout), (Method::Get, -7, OnLost::Fail, 77_000));
    assert_eq!((job.retention, job.start_by), (new.retention, new.start_by));
    assert_eq!((job.max_attempts, job.max_losses), (9, 7));
    assert_eq!(record.input_size, 3);
    let shown = Content { payload: Payload::Empty, digest: [0; 16], ..new.spec.input.clone() };
    assert_eq!(record.spec, Spec { input: shown, ..(*new.spec).clone() });
    let leased = world.ask(super::worker_asks(&["video.compress"], 1)).await;
    assert_eq!(leased[0].1.input.payload, new.spec.input.payload, "a worker gets the bytes");
    assert_eq!(world.store.input(job.no).await.unwrap().unwrap().payload, new.spec.input.payload);
}

/// A batch is answered in its order; one event each.
pub async fn takes_a_batch_in_order(world: &mut World) {
    let batch = (0..20).map(|n| new_of(if n % 2 == 0 { "even" } else { "odd" }, KIND)).collect();
    let Reply::Submitted(all) = world.one(Command::Submit(batch)).await else { panic!("not taken") };
    assert_eq!(all.len(), 20);
    for (n, submitted) in all.iter().enumerate() {
        let Submitted::New(job) = submitted else { panic!("not new: {submitted:?}") };
        assert_eq!(job.queue, name(if n % 2 == 0 { "even" } else { "odd" }));
        assert_eq!(world.found(job).await.job, *job);
    }
    assert!(all.is_sorted_by(|a, b| a.job().no < b.job().no && a.job().id < b.job().id));
}

/// One bad job in a batch: nothing happened, the feed and the counters included, and the next batch is taken.
pub async fn refuses_a_batch_whole(world: &mut World) {
    let mut keyed = new_job();
    (keyed.spec.key, keyed.fingerprint) = (Some("taken".into()), digest("one"));
    world.create(keyed.clone()).await;
    let before = (everything(&*world.store).await, whole_feed(&*world.store).await);
    let bounds = world.store.feed_bounds().await.unwrap();

    keyed.fingerprint = digest("two");
    let batch = vec![new_job(), new_of("brand-new", "brand-new"), keyed, new_job()];
    let reply = world.one(Command::Submit(batch)).await;
    assert!(matches!(reply, Reply::Refused(2, Refusal::KeyReused(_))), "{reply:?}");
    assert_eq!((everything(&*world.store).await, whole_feed(&*world.store).await), before);
    assert_eq!(world.store.feed_bounds().await.unwrap(), bounds);
    assert_eq!(world.store.queue(&name(QUEUE)).unwrap().waiting(), 1);
    assert_eq!(world.published().len(), 1);

    let Reply::Submitted(all) = world.one(Command::Submit(vec![new_job(), new_of("brand-new", "brand-new")])).await
    else {
        panic!("a good batch after a refused one is taken");
    };
    assert_eq!(all.len(), 2);
    assert_eq!(world.store.queue(&name("brand-new")).unwrap().waiting(), 1);
}

/// What shares a transaction with a refused batch, or with a good one, is not touched by it.
pub async fn refuses_a_batch_without_hurting_its_neighbours(world: &mut World) {
    let mut taken = new_job();
    (taken.spec.key, taken.fingerprint) = (Some("taken".into()), digest("one"));
    let other = raincheck_core::NewJob { fingerprint: digest("two"), ..taken.clone() };
    let commands = vec![
        Command::Submit(vec![taken]),
        Command::Submit(vec![new_of("left", "left")]),
        Command::Submit(vec![new_of("gone", "gone"), other]),
        Command::Submit(vec![new_of("right", "right"), new_of("right", "other")]),
        Command::Submit(vec![new_of("left", "right")]),
    ];
    let replies = world.store.apply(commands).await.unwrap();
    let words: Vec<_> = replies.iter().map(|reply| matches!(reply, Reply::Submitted(_))).collect();
    assert_eq!(words, [true, true, false, true, true]);
    for (queue, waiting) in [(QUEUE, 1), ("left", 2), ("right", 2)] {
        assert_eq!(world.store.queue(&name(queue)).map(|q| q.waiting()), Some(waiting), "{queue}");
    }
    assert_eq!(world.published().len(), 5);
}

/// No jobs, no change.
pub async fn an_empty_batch_is_nothing(world: &mut World) {
    assert_eq!(world.one(Command::Submit(Vec::new())).await, Reply::Submitted(Vec::new()));
    assert!(world.published().is_empty());
    assert!(world.store.apply(Vec::new()).await.unwrap().is_empty());
}
