//! What must hold whatever happened: looked at after every behaviour.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt as _, stream};
use raincheck_core::{Cursor, Event, EventData, EventType, JobNo, LeaseRef, State};

use crate::{EventFilter, Filter, Found, Record, Store};

/// Every job, by pages of an awkward size.
pub async fn everything(store: &dyn Store) -> Vec<Record> {
    let mut all = Vec::new();
    let mut filter = Filter::default();
    loop {
        let page = store.jobs(filter.clone(), 97).await.unwrap();
        all.extend(page.items);
        match page.next {
            Some(next) => filter.before = Some(next),
            None => return all,
        }
    }
}

/// The whole feed that is kept, by pages of an awkward size.
pub async fn whole_feed(store: &dyn Store) -> Vec<Event> {
    let (mut all, mut after) = (Vec::new(), Cursor::default());
    loop {
        let page = store.events(after, &EventFilter::default(), 89).await.unwrap();
        all.extend(page.items);
        assert!(page.read_to >= after, "reading goes forward");
        after = page.read_to;
        if page.at_head {
            return all;
        }
    }
}

/// The store finds nothing wrong with itself, and has looked.
pub async fn no_findings(store: &dyn Store) {
    let (mut checkup, mut looked) = (store.check().unwrap(), 0);
    while let Some(page) = checkup.page().await.unwrap() {
        assert_eq!(page.findings, []);
        looked += page.examined;
    }
    let jobs = store.jobs(Filter::default(), 1).await.unwrap().items;
    assert!(looked > 0 || jobs.is_empty());
}

/// What the feed shows of an event whose job is forgotten.
pub(super) fn forgotten(event: &Event) -> Event {
    Event { data: EventData::Gone(event.data.event_type()), ..event.clone() }
}

/// Checks every invariant; `published` is what the store published since the data was new.
pub(super) async fn check(store: &dyn Store, published: &[Event]) {
    no_findings(store).await;
    let records = everything(store).await;
    let feed = whole_feed(store).await;
    recount(store, &records).await;
    assert!(records.is_sorted_by(|a, b| a.job.no > b.job.no), "newest first, nothing twice");

    let here: HashMap<JobNo, &Record> = records.iter().map(|record| (record.job.no, record)).collect();
    let (head, floor) = store.feed_bounds().await.unwrap();
    let kept: Vec<Event> = published
        .iter()
        .filter(|event| event.cursor > floor || here.contains_key(&event.no))
        .map(|event| if here.contains_key(&event.no) { event.clone() } else { forgotten(event) })
        .collect();
    assert_eq!(feed, kept, "commits are the feed");
    assert!(published.is_sorted_by(|a, b| a.cursor < b.cursor), "cursors grow");
    assert_eq!(
        head,
        published.last().map(|event| event.cursor).unwrap_or_default().max(floor),
        "the head is the last event"
    );
    let trimmed = |event: &Event| event.cursor == floor && !here.contains_key(&event.no);
    assert!(floor == Cursor(0) || published.iter().any(trimmed), "the floor is an event of a forgotten job");

    let mut by_job: BTreeMap<JobNo, Vec<Event>> = BTreeMap::new();
    for event in published {
        by_job.entry(event.no).or_default().push(event.clone());
    }
    for events in by_job.values() {
        life(events);
    }
    // A few at a time: one answer after the other would be most of the time of a script.
    stream::iter(&records).for_each_concurrent(4, |record| one(store, record, &by_job[&record.job.no])).await;
}

/// Kept statistics equal a recount.
async fn recount(store: &dyn Store, records: &[Record]) {
    let (mut queues, mut kinds) = (BTreeMap::<_, [u64; 7]>::new(), BTreeMap::<_, [u64; 7]>::new());
    for Record { job, .. } in records {
        queues.entry(job.queue.clone()).or_default()[job.state as usize] += 1;
        kinds.entry(job.kind.clone()).or_default()[job.state as usize] += 1;
    }
    let stats = store.stats().await.unwrap();
    for queue in &stats.queues {
        let name = queue.name.clone().unwrap();
        assert_eq!(queue.by_state, queues.remove(&name).unwrap_or_default(), "queue {name}");
        assert_eq!(store.queue(&name).as_ref(), Some(queue), "the same from memory");
        assert!(queue.served <= queue.tickets, "queue {name}");
    }
    assert_eq!(queues, BTreeMap::new(), "every queue has stats");
    for kind in &stats.kinds {
        assert_eq!(kind.by_state, kinds.remove(&kind.name).unwrap_or_default(), "kind {}", kind.name);
    }
    assert_eq!(kinds, BTreeMap::new(), "every kind has stats");
}

/// The events of one job tell a possible life: numbered without holes, along the arrows, one end, which is last.
fn life(events: &[Event]) {
    let mut last: Option<&Event> = None;
    for event in events {
        let kind = event.data.event_type();
        assert_eq!(event.seq, last.map_or(0, |e| e.seq) + 1, "dense: {events:#?}");
        match last {
            None => assert_eq!((kind, event.attempt), (EventType::Created, 0), "{events:#?}"),
            Some(before) => {
                let stays = matches!(kind, EventType::Progress | EventType::CancelRequested);
                assert!(!before.state.is_final(), "nothing follows the end: {events:#?}");
                assert!(if stays { before.state == event.state } else { before.state.may_become(event.state) });
                assert_eq!(event.attempt, before.attempt + u32::from(kind == EventType::Started), "{events:#?}");
                assert_eq!(event.state == State::Running, stays || kind == EventType::Started, "{events:#?}");
                assert_eq!((event.job, &event.queue, &event.kind), (before.job, &before.queue, &before.kind));
            }
        }
        let ends = matches!(kind, EventType::Succeeded | EventType::Failed | EventType::Canceled);
        assert_eq!(ends, event.state.is_final(), "{events:#?}");
        last = Some(event);
    }
}

async fn one(store: &dyn Store, record: &Record, events: &[Event]) {
    let job = &record.job;
    assert_eq!(store.job(job.id).await.unwrap(), Found::Here(record.clone()), "by public id");
    assert_eq!(store.record(job.no).await.unwrap().as_ref(), Some(record), "by number");
    assert_eq!(store.job_events(job.no, 0, 10_000).await.unwrap(), events, "its events are its part of the feed");
    let last = events.last().unwrap();
    assert_eq!((last.seq, last.state, last.attempt), (job.seq, job.state, job.attempt), "{record:#?}");
    assert_eq!(job.updated_at, last.at);

    let result = store.result(job.no).await.unwrap();
    assert_eq!(job.state == State::Succeeded, record.result.is_some(), "{record:#?}");
    assert_eq!(
        result.as_ref().map(|r| (r.digest, r.payload.size())),
        record.result.as_ref().map(|r| (r.digest, r.size))
    );
    assert!(record.failure.is_some() || !matches!(job.state, State::Failed | State::Canceled), "{record:#?}");
    assert_eq!(job.state.is_final(), job.finished_at.is_some() && job.expires_at.is_some(), "{record:#?}");
    assert_eq!(job.attempt > 0, job.started_at.is_some(), "{record:#?}");
    let input = store.input(job.no).await.unwrap().unwrap();
    assert_eq!(input.payload.size(), record.input_size);
    let lease = LeaseRef { no: job.no, attempt: job.attempt };
    assert_eq!(store.worker(lease).is_some(), job.state == State::Running, "running is leased: {record:#?}");
    assert!(job.failures + job.losses <= job.attempt && job.shared >= 1, "{record:#?}");
}
