//! The feed on PostgreSQL outlives jobs, and no more than it may.

use std::sync::Arc;

use raincheck_core::{
    Command, Cursor, Event, EventData, Expected, FeedRetention, ObjectKind, Place, Put, Reply, Trim, limits,
};
use raincheck_store::conformance::complete;
use raincheck_store::{EventFilter, Finding, Invariant, Maintained, PostgresStore, Store};

use crate::site::{HOUR, MINUTE, SETTLED, Site, kept};

/// A reader who is behind is sent what another node forgot meanwhile, in its place; with names that are forgotten, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_another_node_misses_nothing() {
    let site = Site::new().await;
    let other = site.node().await;
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(site.done(MINUTE).await);
    }
    let all = site.events().await;
    let page = other.events(Default::default(), &EventFilter::default(), 4).await.unwrap();
    assert_eq!(page.items, all[..4]);
    site.pass(MINUTE);
    assert_eq!(site.purge_expired().await, 5);
    site.pass(SETTLED);
    while site.store.maintain().await.unwrap().dropped > 0 {}
    let rest = other.events(page.read_to, &EventFilter::default(), 99).await.unwrap();
    let published = |event: &Event| (event.cursor, event.job, event.queue.clone(), event.kind.clone(), event.state);
    assert_eq!(
        rest.items.iter().map(published).collect::<Vec<_>>(),
        all[4..].iter().map(published).collect::<Vec<_>>()
    );
    let types = all[4..].iter().map(|event| EventData::Gone(event.data.event_type()));
    assert!(rest.items.iter().map(|event| event.data.clone()).eq(types), "{rest:?}");
    // Both trim at once: each event is removed once.
    site.pass(limits::FEED_KEEP_MILLIS);
    let trim = |store: Arc<PostgresStore>| async move {
        let mut passed = 0;
        while let Reply::Swept(some @ 1.., _) = store.apply(vec![Command::Trim(Trim::of(2))]).await.unwrap().remove(0) {
            passed += some;
        }
        passed
    };
    let (one, two) = tokio::join!(trim(site.store.clone()), trim(other.clone()));
    assert_eq!(one + two, all.len());
    assert_eq!(site.store.stats().await.unwrap().feed.forgotten_bytes, 0);
    assert_eq!(other.feed_bounds().await.unwrap().1, all.last().unwrap().cursor);
    other.close().await;
    site.close().await;
}

/// However short jobs are kept, the feed takes no more than it may, and partitions that it is trimmed past go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_stays_as_large_as_it_may() {
    let feed = FeedRetention { max_bytes: 10_000, ..FeedRetention::default() };
    let site = Site::keeping(feed).await;
    let events = |n: usize| n as u64 * 3 * limits::EVENT_BYTES;
    for round in 0..5 {
        site.one(Command::Submit((0..100).map(|_| kept(1_000)).collect())).await;
        for lease in site.lease(100).await {
            site.settle(lease, complete("1")).await;
        }
        site.pass(2 * HOUR);
        assert_eq!(site.purge_expired().await, 100);
        let before = site.store.stats().await.unwrap().feed.forgotten_bytes;
        assert!(before >= events(100), "{before}");
        site.trim().await;
        let after = site.store.stats().await.unwrap().feed.forgotten_bytes;
        assert!((9_000..=10_000).contains(&after), "{after}");
        let floor = site.store.feed_bounds().await.unwrap().1;
        let left = site.events().await;
        assert!(left.len() as u64 * limits::EVENT_BYTES <= 10_000 && left[0].cursor > floor, "{left:?}");
        while site.store.maintain().await.unwrap() != Maintained::default() {}
        assert!(site.event_partitions() <= 4, "round {round}");
        site.is_sound().await;
    }
    site.close().await;
}

/// The look at the data recounts what the feed keeps of forgotten jobs, and reads every named object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_feed_keeps_is_looked_at() {
    let site = Site::new().await;
    let job = site.done(MINUTE).await;
    site.pass(MINUTE);
    assert_eq!(site.purge_expired().await, 1);
    let (kind, name) = (ObjectKind::Reader, job.queue);
    let body = Place::from(Cursor(0)).to_bytes().into();
    site.one(Command::Put(Put { kind, name, expected: Expected::Absent, body })).await;
    site.is_sound().await;
    let finds = async |sql: &str, back: &str, invariant: Invariant, says: &str| {
        site.sql(sql);
        let mut checkup = site.store.check().unwrap();
        let mut found = Vec::new();
        while let Some(page) = checkup.page().await.unwrap() {
            found.extend(page.findings);
        }
        let is_it = |one: &Finding| one.invariant == invariant && one.detail.contains(says);
        assert!(found.len() == 1 && is_it(&found[0]), "{sql}: {found:?}");
        site.sql(back);
    };
    let bytes = |by: &str| format!("UPDATE meta SET number = number {by} WHERE name = 'feed_forgotten_bytes'");
    finds(&bytes("+ 7"), &bytes("- 7"), Invariant::Counters, "events of forgotten jobs: kept").await;
    let body = |hex: &str| format!("UPDATE object SET body = '\\x{hex}'");
    let whole = body("0100000000000000000000000000000000");
    let ahead = body("017fffffffffffffff0000000000000000");
    finds(&body("07"), &whole, Invariant::Objects, "its place cannot be read").await;
    finds(&ahead, &whole, Invariant::Objects, "the last event is").await;
    site.close().await;
}
