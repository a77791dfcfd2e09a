//! Several nodes on one database.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use raincheck_core::{
    Again, Batch, BatchName, Cancel, Command, Content, Cursor, Delete, EventType, Expected, JobNo, LeaseRef, NewJob,
    ObjectKind, Payload, Put, QueuePatch, Refusal, Reply, Settle, Submitted, Timestamp, limits,
};
use raincheck_store::conformance::{KIND, QUEUE, complete, digest, name, new_job, worker_asks};
use raincheck_store::{Checkup as _, EventFilter, Invariant, PostgresDoctor, PostgresOptions, PostgresStore, Store};

use crate::postgres::Base;

/// The place, and so many nodes on it.
pub async fn nodes(n: usize) -> (Base, Vec<Arc<PostgresStore>>) {
    let place = Base::new();
    let mut nodes = Vec::new();
    for _ in 0..n {
        nodes.push(PostgresStore::open(options(&place)).await.expect("a node"));
    }
    (place, nodes)
}

fn options(place: &Base) -> PostgresOptions {
    PostgresOptions::at(place.database.url(), &place.folder.path().join("blobs"))
}

/// All is well in the end.
pub async fn close(nodes: Vec<Arc<PostgresStore>>) {
    for node in nodes {
        let mut checkup = node.check().expect("a checkup");
        while let Some(page) = checkup.page().await.expect("a page") {
            assert_eq!(page.findings, []);
        }
        assert_eq!(node.refused_writes(), 0);
        node.close().await;
    }
}

/// All of the feed.
async fn feed(store: &dyn Store) -> Vec<raincheck_core::Event> {
    let (mut all, mut after) = (Vec::new(), Cursor::default());
    loop {
        let page = store.events(after, &EventFilter::default(), 500).await.expect("events");
        all.extend(page.items);
        after = page.read_to;
        if page.at_head {
            return all;
        }
    }
}

/// However many nodes are asked at once, a key is one job, and everybody gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_of_a_key_are_one_job() {
    let (_place, nodes) = nodes(4).await;
    let keys = 25;
    let mut calls = tokio::task::JoinSet::new();
    for key in 0..keys {
        for caller in 0..64 {
            let store = nodes[caller % nodes.len()].clone();
            calls.spawn(async move {
                let mut new = NewJob { fingerprint: digest("x"), ..new_job() };
                new.spec.key = Some(format!("key-{key}").into());
                (key, store.apply(vec![Command::Submit(vec![new])]).await.unwrap())
            });
        }
    }
    let mut ids: HashMap<i32, HashSet<_>> = HashMap::new();
    let mut fresh = 0;
    for (key, replies) in calls.join_all().await {
        let [Reply::Submitted(all)] = &replies[..] else { panic!("not taken: {replies:?}") };
        fresh += usize::from(matches!(all[0], Submitted::New(_)));
        ids.entry(key).or_default().insert(all[0].job().id);
    }
    assert_eq!(fresh, keys as usize);
    assert!(ids.values().all(|ids| ids.len() == 1));
    assert_eq!(feed(&*nodes[0]).await.len(), keys as usize);
    close(nodes).await;
}

/// However many nodes are asked at once, a request id is one batch, and everybody gets all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_of_a_batch_are_one() {
    let (_place, nodes) = nodes(3).await;
    let (batches, callers) = (10, 24);
    let mut calls = tokio::task::JoinSet::new();
    for batch in 0..batches {
        for caller in 0..callers {
            let store = nodes[caller % nodes.len()].clone();
            calls.spawn(async move {
                let name = BatchName { id: format!("batch-{batch}").into(), fingerprint: digest("x") };
                let asked = Batch { name, jobs: vec![new_job(); 5] };
                (batch, store.apply(vec![Command::SubmitBatch(asked)]).await.unwrap())
            });
        }
    }
    let mut ids: HashMap<i32, HashSet<Vec<_>>> = HashMap::new();
    let mut fresh = 0;
    for (batch, replies) in calls.join_all().await {
        let got: Vec<_> = match &replies[..] {
            [Reply::Submitted(all)] => {
                fresh += 1;
                all.iter().map(|one| one.job().id).collect()
            }
            [Reply::Again(all)] => {
                let id = |one: &Again| if let Again::Here(job) = one { job.id } else { panic!("{one:?}") };
                all.iter().map(id).collect()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(got.len(), 5);
        ids.entry(batch).or_default().insert(got);
    }
    assert_eq!(fresh, batches);
    assert!(ids.values().all(|ids| ids.len() == 1));
    assert_eq!(feed(&*nodes[0]).await.len(), batches as usize * 5);
    let other = BatchName { id: "batch-0".into(), fingerprint: digest("y") };
    let refused =
        nodes[1].apply(vec![Command::SubmitBatch(Batch { name: other, jobs: vec![new_job()] })]).await.unwrap();
    assert_eq!(refused, [Reply::Refused(0, Refusal::BatchReused)]);
    close(nodes).await;
}

/// However many nodes make, replace and delete a named object at once, no change is built on one that is not there any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_object_is_changed_by_one_at_a_time() {
    let (_place, nodes) = nodes(3).await;
    let (kind, name) = (ObjectKind::Reader, name("r"));
    let mut calls = tokio::task::JoinSet::new();
    for store in &nodes {
        for _ in 0..4 {
            let (store, name) = (store.clone(), name.clone());
            // Adds one to what is there, as often as it takes until that was not changed meanwhile.
            calls.spawn(async move {
                for _ in 0..5 {
                    loop {
                        let found = store.object(kind, &name).await.unwrap();
                        let count = found.as_ref().map_or(0, |object| object.body[0]);
                        let expected = found.map_or(Expected::Absent, |object| Expected::Version(object.version));
                        let body = vec![count + 1].into();
                        let put = Command::Put(Put { kind, name: name.clone(), expected, body });
                        match &store.apply(vec![put]).await.unwrap()[..] {
                            [Reply::Put { .. }] => break,
                            [Reply::OtherVersion(_)] => {}
                            other => panic!("{other:?}"),
                        }
                    }
                }
            });
        }
    }
    calls.join_all().await;
    assert_eq!(nodes[0].object(kind, &name).await.unwrap().unwrap().body[0], 3 * 4 * 5);
    // Of those who make one at the same moment, one has made it.
    for n in 0..60 {
        let name = self::name(&format!("r{n}"));
        let put = Put { kind, name: name.clone(), expected: Expected::Absent, body: vec![0].into() };
        let made = nodes.iter().map(|store| store.apply(vec![Command::Put(put.clone())]));
        let made = futures_util::future::join_all(made).await.into_iter().map(|replies| replies.unwrap().remove(0));
        let made: Vec<Reply> = made.collect();
        assert_eq!(made.iter().filter(|reply| matches!(reply, Reply::Put { .. })).count(), 1, "{made:?}");
        nodes[0].apply(vec![Command::Delete(Delete { kind, name, expected: Expected::Anything })]).await.unwrap();
    }
    let mut deletes = tokio::task::JoinSet::new();
    for store in nodes.iter().cycle().take(9) {
        let (store, name) = (store.clone(), name.clone());
        let delete = Command::Delete(Delete { kind, name, expected: Expected::Anything });
        deletes.spawn(async move { store.apply(vec![delete]).await.unwrap().remove(0) });
    }
    let replies = deletes.join_all().await;
    assert_eq!(replies.iter().filter(|reply| **reply == Reply::Deleted).count(), 1, "{replies:?}");
    close(nodes).await;
}

/// A node whose looks for jobs are slow passes over what it has seen the end of; not for long over what goes first and
/// comes from another node, and never over its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_before_the_end_of_the_last_look_are_found() {
    let (place, mut nodes) = nodes(1).await;
    let slow = PostgresOptions { slow_scan: Duration::ZERO, ..options(&place) };
    nodes.push(PostgresStore::open(slow).await.expect("a node"));
    for writer in [1, 0, 1, 0] {
        for priority in [0, 10] {
            let new = NewJob { priority, ..new_job() };
            let replies = nodes[writer].apply(vec![Command::Submit(vec![new])]).await.expect("a job");
            let [Reply::Submitted(all)] = &replies[..] else { panic!("not taken: {replies:?}") };
            let begin = Instant::now();
            loop {
                let replies = nodes[1].apply(vec![Command::Lease(worker_asks(&[KIND], 1))]).await.expect("a look");
                let [Reply::Leased(leased)] = &replies[..] else { panic!("not leased: {replies:?}") };
                if let [(job, _)] = &leased[..] {
                    assert_eq!(job.id, all[0].job().id);
                    break;
                }
                assert!(begin.elapsed() < Duration::from_secs(20), "it was never found");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }
    close(nodes).await;
}

/// A reader that remembers only how far it read misses nothing of what eight writers on four nodes write, a tenth of it
/// taken back; and every node tells of all of it, in one order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_has_no_holes() {
    feed_has_no_holes(Duration::from_secs(1)).await;
}

/// By hand, see `docs/reliability.md`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute"]
async fn the_feed_has_no_holes_for_a_minute() {
    feed_has_no_holes(Duration::from_secs(60)).await;
}

async fn feed_has_no_holes(time: Duration) {
    let (_place, nodes) = nodes(4).await;
    let mut commits: Vec<_> = nodes.iter().map(|node| node.commits()).collect();
    let file = || {
        let payload = Payload::Blob { name: "one-file-of-two-jobs".into(), size: 1 };
        let mut new = new_job();
        new.spec.input = Content { payload, ..Content::default() };
        Command::Submit(vec![new])
    };
    nodes[0].apply(vec![file()]).await.expect("the file has its job");
    let (written, taken_back) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(0)));
    let begin = Instant::now();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let (store, written, taken_back) = (nodes[writer % 4].clone(), written.clone(), taken_back.clone());
        writers.spawn(async move {
            for step in 0.. {
                if begin.elapsed() > time {
                    break;
                }
                let mut commands = vec![Command::Submit(vec![new_job()]), Command::Submit(vec![new_job(), new_job()])];
                if step % 10 == 9 {
                    // The file has its job: what comes with it is rolled back, others' commands of the same moment too.
                    commands.push(file());
                }
                match store.apply(commands).await {
                    Ok(_) => written.fetch_add(3, Ordering::SeqCst),
                    Err(_) => taken_back.fetch_add(1, Ordering::SeqCst),
                };
            }
        });
    }
    let (mut got, mut after, mut done) = (Vec::new(), Cursor::default(), false);
    loop {
        let page = nodes[1].events(after, &EventFilter::default(), 64).await.expect("a page");
        assert!(page.items.iter().all(|event| event.cursor > after));
        got.extend(page.items);
        after = page.read_to;
        if page.at_head && done {
            break;
        }
        done = writers.is_empty();
        if !done && page.at_head {
            tokio::select! {
                ended = writers.join_next() => ended.expect("a writer").expect("a writer ends"),
                () = tokio::time::sleep(Duration::from_millis(1)) => {}
            }
        }
    }
    let all = feed(&*nodes[2]).await;
    assert_eq!(got.len() as u64, written.load(Ordering::SeqCst));
    assert_eq!(got, all);
    for commits in &mut commits {
        let mut heard = Vec::new();
        while heard.len() < all.len() {
            heard.extend(commits.recv().await.expect("a node tells").events);
        }
        assert_eq!(heard, all);
    }
    let taken_back = taken_back.load(Ordering::SeqCst);
    assert!(taken_back > 0);
    println!("{} events of 8 writers, {taken_back} requests taken back, none lost", all.len());
    for node in nodes {
        assert!(node.refused_writes() > 0);
        node.close().await;
    }
}

/// A job is handed to one worker of one node, a queue's cap holds over all of them, and the leases of a queue that is
/// filled by one node are handed out by another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_never_overlap() {
    const CAP: usize = 5;
    let (_place, nodes) = nodes(3).await;
    let cap = QueuePatch { concurrency: Some(Some(CAP as u32)), ..QueuePatch::default() };
    nodes[0].apply(vec![Command::SetQueue(name(QUEUE), cap)]).await.unwrap();
    let jobs = 300;
    for _ in 0..3 {
        nodes[0].apply(vec![Command::Submit((0..100).map(|_| new_job()).collect())]).await.unwrap();
    }
    let (left, given) = (Arc::new(AtomicU64::new(jobs)), Arc::new(parking_lot::Mutex::new(HashSet::new())));
    let mut workers = tokio::task::JoinSet::new();
    for worker in 0..12 {
        let (store, left, given) = (nodes[worker % 3].clone(), left.clone(), given.clone());
        workers.spawn(async move {
            while left.load(Ordering::SeqCst) > 0 {
                let replies = store.apply(vec![Command::Lease(worker_asks(&[KIND], 1 + worker % 3))]).await.unwrap();
                let [Reply::Leased(leased)] = &replies[..] else { panic!("{replies:?}") };
                if leased.is_empty() {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                for (job, _) in leased {
                    assert!(given.lock().insert(job.lease_ref()), "handed out twice: {job:?}");
                    let settle = Settle { lease: job.lease_ref(), outcome: complete("1") };
                    let replies = store.apply(vec![Command::Settle(settle)]).await.unwrap();
                    assert!(matches!(replies[..], [Reply::Job(_)]), "{replies:?}");
                    left.fetch_sub(1, Ordering::SeqCst);
                }
            }
        });
    }
    while let Some(done) = workers.join_next().await {
        done.unwrap();
    }
    let mut running: BTreeMap<JobNo, LeaseRef> = BTreeMap::new();
    let mut most = 0;
    for event in feed(&*nodes[1]).await {
        match event.data.event_type() {
            EventType::Started => {
                let lease = LeaseRef { no: event.no, attempt: event.attempt };
                assert_eq!(running.insert(event.no, lease), None, "leased twice at once");
            }
            EventType::Succeeded => assert!(running.remove(&event.no).is_some()),
            _ => {}
        }
        most = most.max(running.len());
    }
    assert!(most <= CAP && most > 1, "{most} at once");
    close(nodes).await;
}

/// Connections end while commands are under way: what was acknowledged is there, once, and callers notice nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_connections_lose_and_double_nothing() {
    let (place, nodes) = nodes(2).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8 {
        let (store, stop) = (nodes[caller % 2].clone(), stop.clone());
        callers.spawn(async move {
            let mut labels = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                let mut new = new_job();
                let label: Box<str> = format!("{caller}-{}", labels.len()).into();
                new.spec.label = Some(label.clone());
                let replies = store.apply(vec![Command::Submit(vec![new])]).await.unwrap();
                assert!(matches!(&replies[..], [Reply::Submitted(all)] if matches!(all[..], [Submitted::New(_)])));
                labels.push(label);
            }
            labels
        });
    }
    let mut after = Cursor::default();
    for _ in 0..20 {
        let mut fresh = 0;
        while fresh < 20 {
            let page = nodes[0].events(after, &EventFilter::default(), 500).await.unwrap();
            (after, fresh) = (page.read_to, fresh + page.items.len());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let database = place.database.name().to_owned();
        let ended = tokio::task::spawn_blocking(move || pgcluster::Cluster::shared().disconnect(&database));
        assert!(ended.await.unwrap().unwrap() > 0);
    }
    stop.store(true, Ordering::SeqCst);
    let mut acknowledged: Vec<Box<str>> = callers.join_all().await.concat();
    let mut there = Vec::new();
    for event in feed(&*nodes[0]).await {
        there.push(nodes[0].record(event.no).await.unwrap().unwrap().spec.label.unwrap());
    }
    acknowledged.sort_unstable();
    there.sort_unstable();
    assert!(acknowledged.len() > 400);
    assert_eq!(there, acknowledged);
    close(nodes).await;
}

/// A worker whose node is gone is not lost before its lease is over, and is then, by another node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leases_of_a_node_that_is_gone_end_elsewhere() {
    let (_place, nodes) = nodes(2).await;
    let mut commits = nodes[1].commits();
    nodes[0].apply(vec![Command::Submit(vec![new_job()])]).await.unwrap();
    let request = raincheck_core::LeaseJobs { ttl: 2_000, ..worker_asks(&[KIND], 1) };
    let replies = nodes[0].apply(vec![Command::Lease(request)]).await.unwrap();
    let [Reply::Leased(leased)] = &replies[..] else { panic!("{replies:?}") };
    let lease = leased[0].0.lease_ref();
    nodes[0].close().await;
    while commits.recv().await.unwrap().events.iter().all(|event| event.data.event_type() != EventType::Started) {}
    while nodes[1].next_overdue().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut over = Vec::new();
    while over.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        over = nodes[1].overdue(9).await.unwrap();
    }
    assert_eq!(over[0].lease, lease);
    let settle = Settle { lease, outcome: raincheck_core::Outcome::Lost };
    let replies = nodes[1].apply(vec![Command::Settle(settle)]).await.unwrap();
    assert!(matches!(&replies[..], [Reply::Job(job)] if job.losses == 1), "{replies:?}");
    nodes[1].close().await;
}

/// Names that one node forgot make room at every other one, also at one that was just refused for lack of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_one_node_forgets_make_room_at_the_others() {
    let (_place, nodes) = nodes(2).await;
    let kinds: Vec<String> = (0..limits::KINDS).map(|n| format!("k{n}")).collect();
    let mut jobs = Vec::new();
    for some in kinds.chunks(1_000) {
        let some = some.iter().map(|kind| NewJob::new(name(QUEUE), name(kind))).collect();
        let replies = nodes[0].apply(vec![Command::Submit(some)]).await.expect("jobs");
        let [Reply::Submitted(all)] = &replies[..] else { panic!("not taken") };
        jobs.extend(all.iter().map(|one| one.job().no));
    }
    let submit = async |node: usize, kind: &str| {
        let new = NewJob::new(name(QUEUE), name(kind));
        nodes[node].apply(vec![Command::Submit(vec![new])]).await.expect("an answer").remove(0)
    };
    let full = Reply::Refused(0, Refusal::TooManyNames);
    assert_eq!((submit(0, "new").await, submit(1, "new").await), (full.clone(), full.clone()));
    for no in &jobs[..2] {
        nodes[0].apply(vec![Command::Cancel(Cancel { no: *no, force: false, seq: None })]).await.expect("canceled");
        nodes[0].apply(vec![Command::Purge(*no)]).await.expect("purged");
    }
    // The first takes one place and forgets both names; the other gets to know it by what it tries next.
    assert!(matches!(submit(0, "new").await, Reply::Submitted(_)));
    let begin = Instant::now();
    while submit(1, "newer").await == full {
        assert!(begin.elapsed() < Duration::from_secs(20), "it never found the place");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Both take the new names, and once they have met them there is no room for those that were forgotten.
    for (node, kind) in [(0, "newer"), (1, "new")] {
        assert!(matches!(submit(node, kind).await, Reply::Submitted(_)));
    }
    assert_eq!((submit(0, "k0").await, submit(1, "k1").await), (full.clone(), full));
    let stats = nodes[1].stats().await.expect("stats");
    assert!(stats.kinds.iter().all(|kind| kind.name != name("k0")), "it is gone");
    close(nodes).await;
}

/// Time goes on from the newest job, however far the database's clock is behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_clock_that_was_set_back_sets_no_time_back() {
    let (place, nodes) = nodes(1).await;
    let now = created(&*nodes[0], 0).await;
    close(nodes).await;
    let ahead = now.plus(3_600_000);
    let sql = format!("INSERT INTO meta (name, number) VALUES ('last_dropped', {})", ahead.0 << 15);
    place.database.run(&sql).expect("the number of a job of an hour later");
    let node = PostgresStore::open(options(&place)).await.expect("a node");
    let (first, delayed) = (created(&*node, 0).await, created(&*node, 1_000).await);
    assert!(ahead <= first && first <= delayed && delayed < ahead.plus(600_000), "{ahead:?} {first:?} {delayed:?}");
    // It comes due all the same: within seconds, not in an hour.
    let begin = Instant::now();
    loop {
        let replies = node.apply(vec![Command::Promote(9), Command::Lease(worker_asks(&[KIND], 9))]).await;
        let replies = replies.expect("a look");
        let [_, Reply::Leased(leased)] = &replies[..] else { panic!("{replies:?}") };
        if leased.iter().any(|(job, _)| job.created_at == delayed) {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "its time never came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(node.overdue(9).await.expect("a look"), [], "leases go by the clock as it is");
    node.close().await;
    let mut doctor = PostgresDoctor::open(&options(&place), false).await.expect("a doctor");
    let mut remarks = Vec::new();
    while let Some(page) = doctor.page().await.expect("a page") {
        remarks.extend(page.findings.into_iter().filter(|finding| finding.invariant == Invariant::Clock));
    }
    assert!(remarks.len() == 1 && remarks[0].detail.contains(" behind the last change"), "{remarks:?}");
}

/// When a new job was made.
async fn created(store: &dyn Store, delay: i64) -> Timestamp {
    let new = NewJob { delay, ..new_job() };
    let replies = store.apply(vec![Command::Submit(vec![new])]).await.expect("a job");
    let [Reply::Submitted(all)] = &replies[..] else { panic!("not taken: {replies:?}") };
    all[0].job().created_at
}
