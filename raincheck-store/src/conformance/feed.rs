//! The whole change feed: ordered, without holes, resumable.

use raincheck_core::{Clock, Command, Cursor, Event, EventData, EventType, NewJob, Retention, State, Trim};

use super::check::{forgotten, no_findings, whole_feed};
use super::{KIND, World, complete, fail, name, names, new_job, new_of, worker_asks};
use crate::{EventFilter, Found, Most};

/// Pages of any size give every event once, in the order of their cursors.
pub async fn is_ordered_and_paged(world: &mut World) {
    for _ in 0..20 {
        let lease = world.running(new_job()).await;
        world.end(lease, complete("1")).await;
    }
    let all = whole_feed(&*world.store).await;
    assert_eq!(all.len(), 60);
    for size in [1, 7, 59, 60, 61] {
        let (mut got, mut after) = (Vec::new(), Cursor::default());
        loop {
            let page = world.store.events(after, &EventFilter::default(), size).await.unwrap();
            assert!(page.items.len() <= size);
            got.extend(page.items);
            after = page.read_to;
            if page.at_head {
                break;
            }
        }
        assert_eq!(got, all, "pages of {size}");
        assert_eq!(after, world.store.feed_bounds().await.unwrap().0);
    }
    let rest = world.store.events(all[29].cursor, &EventFilter::default(), 100).await.unwrap();
    assert_eq!(rest.items, all[30..]);
    let page = world.store.job_events(all[0].no, 1, 1).await.unwrap();
    assert_eq!((page.len(), page[0].seq), (1, 2));
}

/// Pages end by their weight, too, whatever is behind their end; one event is always on them. A look whose filter passes
/// nothing ends as well.
pub async fn pages_end_where_they_are_full(world: &mut World) {
    let mut new = new_job();
    new.spec.retry.max_attempts = 1;
    for n in 0..20 {
        let lease = world.running(new.clone()).await;
        world.end(lease, fail(&"x".repeat(if n % 4 == 3 { 9 } else { 50_000 }))).await;
    }
    let all = whole_feed(&*world.store).await;
    for bytes in [1, 60_000, 120_000] {
        let most = Most { rows: 9, bytes };
        let is_fair = |items: &[Event]| {
            let before_last = items.split_last().map_or(0, |(_, before)| before.iter().map(Event::weight).sum());
            items.len() <= 9 && before_last < bytes
        };
        let (mut got, mut after) = (Vec::new(), Cursor::default());
        loop {
            let page = world.store.some_events(after, &EventFilter::default(), most).await.unwrap();
            assert!(is_fair(&page.items) && (page.at_head || !page.items.is_empty()), "{bytes}");
            got.extend(page.items);
            after = page.read_to;
            if page.at_head {
                break;
            }
        }
        assert!(got == all, "pages of {bytes} bytes");
        let (no, mut seq, mut at_head) = (all[0].no, 0, false);
        while !at_head {
            let page = world.store.some_job_events(no, seq, most).await.unwrap();
            assert!(is_fair(&page.items) && (page.at_head || !page.items.is_empty()), "{bytes}");
            seq += page.items.len() as u32;
            assert_eq!(page.items.last().map_or(seq, |event| event.seq), seq);
            at_head = page.at_head;
        }
        assert_eq!(seq, 3);
    }
    let none = EventFilter { kinds: name("nobodys").into(), ..EventFilter::default() };
    let (mut looks, mut after) = (0, Cursor::default());
    loop {
        let page = world.store.some_events(after, &none, Most { rows: 9, bytes: 1 }).await.unwrap();
        assert!(page.items.is_empty() && (page.at_head || page.read_to > after));
        (looks, after) = (looks + 1, page.read_to);
        if page.at_head {
            break;
        }
    }
    assert!((2..20).contains(&looks), "{looks} looks");
}

fn passes(event: &Event, filter: &EventFilter) -> bool {
    let in_state = filter.states.is_empty() || filter.states.contains(&event.state);
    filter.queues.admits(&event.queue)
        && filter.kinds.admits(&event.kind)
        && in_state
        && filter.job.is_none_or(|no| no == event.no)
}

/// Filters pass what they say, and reading goes on past what they hold back.
pub async fn filters(world: &mut World) {
    for n in 0..12 {
        let job = world.create(new_of(["a", "b"][n % 2], ["x", "y", "z.1"][n % 3])).await;
        if n < 4 {
            world.cancel(job.no).await;
        }
    }
    let all = whole_feed(&*world.store).await;
    let some = |queue: Option<&str>, kind: Option<&str>, states: &[State], job| EventFilter {
        queues: queue.map(names).unwrap_or_default(),
        kinds: kind.map(names).unwrap_or_default(),
        states: states.to_vec(),
        job,
    };
    let filters = [
        some(Some("a"), None, &[], None),
        some(None, Some("z.1"), &[], None),
        some(Some("b"), Some("y"), &[], None),
        some(None, None, &[State::Canceled], None),
        some(None, Some("x"), &[State::Canceled, State::Queued], None),
        some(None, None, &[], Some(all[3].no)),
        some(Some("unheard-of"), None, &[], None),
        some(None, Some("z.*"), &[], None),
        some(None, Some("x,*.1"), &[], None),
        some(Some("*"), Some("*y*"), &[State::Queued], None),
        some(Some("*"), None, &[], None),
        some(Some("*unheard-of"), None, &[], None),
        some(Some("a"), Some("x"), &[State::Queued], Some(all[0].no)),
    ];
    for filter in filters {
        let page = world.store.events(Cursor::default(), &filter, 100).await.unwrap();
        let expected: Vec<_> = all.iter().filter(|event| passes(event, &filter)).cloned().collect();
        assert_eq!(page.items, expected, "{filter:?}");
        assert_eq!((page.read_to, page.at_head), (all.last().unwrap().cursor, true), "{filter:?}");
    }
}

/// What the store tells of while it runs is what the feed says after.
pub async fn commits_are_the_feed(world: &mut World) {
    let lease = world.running(new_job()).await;
    world.cancel(lease.no).await;
    world.end(lease, complete("1")).await;
    let published = world.published().to_vec();
    assert_eq!(published, whole_feed(&*world.store).await);
    let words: Vec<_> = published.iter().map(|event| event.data.event_type()).collect();
    assert_eq!(words, [EventType::Created, EventType::Started, EventType::CancelRequested, EventType::Succeeded]);
}

fn all_forgotten(events: &[Event]) -> Vec<Event> {
    events.iter().map(forgotten).collect()
}

/// A created job is published with the key that its client gave.
pub async fn created_carries_the_key(world: &mut World) {
    let mut keyed = new_job();
    keyed.spec.key = Some("order-1017".into());
    world.create(keyed).await;
    world.create(new_job()).await;
    let keys = whole_feed(&*world.store).await.into_iter().map(|event| match event.data {
        EventData::Created { key } => key,
        other => panic!("{other:?}"),
    });
    assert_eq!(keys.collect::<Vec<_>>(), [Some("order-1017".into()), None]);
    let published = world.published().to_vec();
    assert_eq!(published, whole_feed(&*world.store).await);
}

/// Events of forgotten jobs stay in their place, by retention and by hand, and do not tell what they held; nobody who is
/// behind misses anything, also when nothing else is left of their jobs, their queues and kinds.
pub async fn outlives_its_jobs(world: &mut World) {
    let short = NewJob { retention: Retention { succeeded: 1_000, failed: 1_000 }, ..new_of("brief", "brief") };
    let first = world.create(short).await;
    world.cancel(first.no).await;
    let second = world.create(new_job()).await;
    world.cancel(second.no).await;
    world.create(new_job()).await;
    let all = whole_feed(&*world.store).await;
    world.clock.advance(1_000);
    assert_eq!(world.sweep(Command::PurgeExpired(9)).await, 1);
    world.one(Command::Purge(second.no)).await;
    let left = [all_forgotten(&all[..4]), all[4..].to_vec()].concat();
    for round in 0..3 {
        assert_eq!(whole_feed(&*world.store).await, left, "{round}");
        let rest = world.store.events(all[1].cursor, &EventFilter::default(), 99).await.unwrap();
        assert_eq!(rest.items, left[2..], "{round}");
        let brief = EventFilter { queues: name("brief").into(), ..EventFilter::default() };
        assert_eq!(world.store.events(Cursor(0), &brief, 99).await.unwrap().items, left[..2], "{round}");
        assert_eq!(world.store.feed_bounds().await.unwrap(), (all[4].cursor, Cursor(0)), "{round}");
        no_findings(&*world.store).await;
        match round {
            0 => world.restart().await,
            // Their tombstones go, not their events.
            _ => {
                world.clock.advance(world.setup.tombstone);
                world.sweep(Command::DropTombstones(9)).await;
                assert_eq!(world.store.job(first.id).await.unwrap(), Found::Unknown);
            }
        }
    }
}

/// What some reader has not read stays though it is old, and goes when it has.
pub async fn waits_for_its_readers(world: &mut World) {
    let job = world.create(new_job()).await;
    world.cancel(job.no).await;
    world.one(Command::Purge(job.no)).await;
    let all = whole_feed(&*world.store).await;
    assert_eq!(all.len(), 2);
    world.clock.advance(world.setup.feed.keep);
    let mut left = all.len();
    for read in [Cursor(0), all[0].cursor, all[1].cursor] {
        world.sweep(Command::Trim(Trim { limit: 9, read })).await;
        left = all.iter().filter(|event| event.cursor > read).count().min(left);
        assert_eq!(whole_feed(&*world.store).await, all[all.len() - left..]);
    }
}

/// The feed is trimmed of forgotten jobs' events when they are as old as it keeps them, and not a millisecond before; those
/// of jobs that are there stay, and go at once when their jobs do. Who has not come so far can tell.
pub async fn is_trimmed_by_age(world: &mut World) {
    let keep = world.setup.feed.keep;
    let stays = world.create(new_job()).await;
    let goes = world.create(new_job()).await;
    world.cancel(goes.no).await;
    world.one(Command::Purge(goes.no)).await;
    let all = whole_feed(&*world.store).await;
    world.clock.advance(keep - 1);
    assert_eq!(world.trim().await, 0);
    let later = world.create(new_job()).await;
    world.cancel(later.no).await;
    let all = [all, whole_feed(&*world.store).await[3..].to_vec()].concat();
    assert_eq!(world.store.feed_bounds().await.unwrap().1, Cursor(0));
    world.clock.advance(1);
    world.trim().await;
    let left = [&all[..1], &all[3..]].concat();
    assert_eq!(whole_feed(&*world.store).await, left);
    assert_eq!(world.store.feed_bounds().await.unwrap(), (all[4].cursor, all[2].cursor));
    assert_eq!(world.store.job_events(stays.no, 0, 9).await.unwrap(), all[..1]);
    world.restart().await;
    assert_eq!(whole_feed(&*world.store).await, left);
    assert_eq!(world.store.feed_bounds().await.unwrap(), (all[4].cursor, all[2].cursor));
    world.cancel(stays.no).await;
    world.one(Command::Purge(stays.no)).await;
    world.trim().await;
    let events = whole_feed(&*world.store).await;
    assert!(events.iter().all(|event| event.cursor > all[2].cursor), "{events:?}");
    assert_eq!(events.len(), 3, "its end is not old: {events:?}");
    no_findings(&*world.store).await;
    world.clock.advance(world.setup.tombstone);
    while world.sweep(Command::DropTombstones(9)).await > 0 {}
    world.trim().await;
    assert_eq!(whole_feed(&*world.store).await, all[3..], "those of the job that is there");
    no_findings(&*world.store).await;
}

/// It is trimmed by size, too: however young, events of forgotten jobs take no more than they may.
pub async fn is_trimmed_by_size(world: &mut World) {
    world.setup.feed.max_bytes = 100_000;
    world.restart().await;
    let mut new = new_job();
    new.spec.retry.max_attempts = 1;
    new.retention.failed = 1_000;
    for _ in 0..10 {
        let lease = world.running(new.clone()).await;
        world.end(lease, fail(&"x".repeat(20_000))).await;
    }
    let stays = world.create(new_job()).await;
    let all = whole_feed(&*world.store).await;
    assert_eq!(world.trim().await, 0, "the jobs are there");
    world.clock.advance(1_000);
    assert_eq!(world.sweep(Command::PurgeExpired(99)).await, 10);
    world.trim().await;
    let left = whole_feed(&*world.store).await;
    let floor = world.store.feed_bounds().await.unwrap().1;
    let (first, last) = (left.first().unwrap(), left.last().unwrap());
    assert!(first.cursor > floor && floor > all[0].cursor, "{floor:?}");
    assert_eq!((last.no, left.len()), (stays.no, all.iter().filter(|event| event.cursor > floor).count()));
    assert!((4..=5).contains(&left.iter().filter(|event| event.state == State::Failed).count()), "{left:?}");
    world.setup.feed.max_bytes = 0;
    world.restart().await;
    world.trim().await;
    assert_eq!(whole_feed(&*world.store).await, all[30..]);
    no_findings(&*world.store).await;
}

/// A cursor stands for one event for ever, also when the last events were removed and the store was opened anew.
pub async fn cursors_are_never_given_twice(world: &mut World) {
    (world.setup.feed.keep, world.setup.feed.max_bytes) = (0, 0);
    world.restart().await;
    for _ in 0..3 {
        let job = world.create(new_job()).await;
        world.cancel(job.no).await;
        let (head, _) = world.store.feed_bounds().await.unwrap();
        world.one(Command::Purge(job.no)).await;
        world.trim().await;
        world.restart().await;
        assert_eq!(world.store.feed_bounds().await.unwrap().0, head);
        world.create(new_job()).await;
        assert!(whole_feed(&*world.store).await.last().unwrap().cursor > head);
    }
}

/// A reader that remembers only how far it read sees everything that many writers write beside it.
pub async fn readers_beside_writers_miss_nothing(world: &mut World) {
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = world.store.clone();
        writers.spawn(async move {
            for _ in 0..40 {
                let commands = vec![Command::Submit(vec![new_job()]), Command::Lease(worker_asks(&[KIND], 1))];
                store.apply(commands).await.unwrap();
            }
        });
    }
    let (mut got, mut after, mut done) = (Vec::new(), Cursor::default(), false);
    loop {
        let page = world.store.events(after, &EventFilter::default(), 33).await.unwrap();
        assert!(page.items.iter().all(|event| event.cursor > after));
        got.extend(page.items);
        after = page.read_to;
        if page.at_head && done {
            break;
        }
        done = writers.is_empty();
        if !done && page.at_head {
            writers.join_next().await.unwrap().unwrap();
        }
    }
    assert_eq!(got.len(), 8 * 40 * 2);
    assert_eq!(got, whole_feed(&*world.store).await);
}

/// Whoever asks for the commits last gets them from then on.
pub async fn a_second_reader_of_commits_takes_over(world: &mut World) {
    world.create(new_job()).await;
    world.listen();
    world.create(NewJob { run_at: Some(world.clock.now()), ..new_job() }).await;
    assert_eq!(world.published().len(), 2);
}
