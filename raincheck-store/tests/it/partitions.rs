//! What is written about jobs lies in partitions by time on PostgreSQL: there before it is needed, invisible with its job,
//! gone with the last of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use raincheck_core::{
    Append, Cancel, ChunkKind, Clock as _, Command, Content, EventData, Job, NewJob, Payload, Progress, Reply, Settle,
    State, Timestamp, limits,
};
use raincheck_store::conformance::{complete, content, new_job};
use raincheck_store::{EventFilter, Filter, Found, Maintained, PostgresOptions, PostgresStore, Store};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::site::{HOUR, MINUTE, SETTLED, Site, kept, stranger};

/// A job whose retention is over is gone at once, whatever of it is still on the disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_jobs_are_gone_while_their_partition_stands() {
    let site = Site::new().await;
    let job = site.create(kept(1_000)).await;
    let stays = site.create(NewJob { run_at: Some(Timestamp(2_000_000_000_000)), ..new_job() }).await;
    let lease = site.lease(1).await[0];
    site.one(Command::Progress(lease, Progress { percent: Some(1.0), ..Progress::default() })).await;
    for kind in [ChunkKind::Stream, ChunkKind::Log] {
        let (bytes, content_type) = ("some".into(), Some("text/plain".into()));
        site.one(Command::Append(Append { lease, kind, offset: None, bytes, content_type, limit: 99 })).await;
    }
    site.settle(lease, complete("1")).await;
    site.pass(1_000);
    assert_eq!(site.purge_expired().await, 1);

    let no = job.no;
    let rows = |table: &str| site.sql(&format!("SELECT count(*) FROM {table} WHERE no={}", no.0));
    for (table, there) in
        [("spec", "1"), ("result", "1"), ("report", "1"), ("chunk", "2"), ("event", "4"), ("job", "0")]
    {
        assert_eq!(rows(table), there, "{table}");
    }
    let store = &site.store;
    assert_eq!(store.job(job.id).await.unwrap(), Found::Purged(job.no));
    assert_eq!(store.job_row(job.id).await.unwrap(), Found::Purged(job.no));
    assert_eq!(store.record(no).await.unwrap(), None);
    assert_eq!(store.input(no).await.unwrap(), None);
    assert_eq!(store.result(no).await.unwrap(), None);
    let events = store.job_events(no, 0, 9).await.unwrap();
    assert!(events.iter().all(|event| matches!(event.data, EventData::Gone(_))), "{events:?}");
    for kind in [ChunkKind::Stream, ChunkKind::Log] {
        assert_eq!(store.chunks(no, kind, 1, 0, 99).await.unwrap(), []);
        assert_eq!(store.chunk_info(no, kind, 1).await.unwrap(), Default::default());
    }
    let listed = store.jobs(Filter::default(), 9).await.unwrap().items;
    assert_eq!(listed.iter().map(|record| record.job.no).collect::<Vec<_>>(), [stays.no]);
    let (gone, there): (Vec<_>, Vec<_>) = site.events().await.into_iter().partition(|event| event.no == no);
    assert_eq!((gone.len(), there.len()), (4, 1));
    assert!(gone.iter().all(|event| matches!(event.data, EventData::Gone(_))), "{gone:?}");
    assert_eq!(site.one(Command::Purge(no)).await, Reply::Gone);
    assert_eq!(site.one(Command::Settle(Settle { lease, outcome: complete("1") })).await, Reply::Gone);
    site.is_sound().await;

    // What somebody asks to be gone is.
    site.one(Command::Cancel(Cancel { no: stays.no, force: false, seq: None })).await;
    assert!(matches!(site.one(Command::Purge(stays.no)).await, Reply::Purged(_)));
    for table in ["spec", "result", "report", "chunk"] {
        assert_eq!(site.sql(&format!("SELECT count(*) FROM {table} WHERE no={}", stays.no.0)), "0", "{table}");
    }
    assert_eq!(site.sql(&format!("SELECT count(*), count(data) FROM event WHERE no={}", stays.no.0)), "2|0");
    site.close().await;
}

/// Partitions are dropped when their last job is forgotten and their time is over, and not before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_go_with_their_last_job() {
    let site = Site::new().await;
    let [short, long] = [site.done(MINUTE).await, site.done(3 * HOUR).await];
    let stands = || site.sql(&format!("SELECT count(*) FROM partition WHERE low<={0} AND high>{0}", long.no.0)) == "1";
    site.pass(2 * MINUTE);
    assert_eq!(site.purge_expired().await, 1);
    assert_eq!(site.store.maintain().await.unwrap().dropped, 0, "it is young, and has a job");
    site.pass(SETTLED);
    let before = site.partitions();
    let maintained = site.store.maintain().await.unwrap();
    assert_eq!((maintained.dropped, maintained.compacted, maintained.delayed), (2, 0, 0), "those that nobody used");
    assert_eq!(site.partitions(), before + maintained.made - 2);
    assert!(stands() && site.store.input(long.no).await.unwrap().is_some());
    site.pass(3 * HOUR);
    site.store.maintain().await.unwrap();
    assert!(stands() && site.store.result(long.no).await.unwrap().is_some(), "expired, but not forgotten");
    assert_eq!(site.purge_expired().await, 1);
    assert!(stands());
    assert_eq!(site.store.maintain().await.unwrap(), Maintained { dropped: 1, ..Maintained::default() });
    for job in [&short, &long] {
        assert_eq!(site.store.job(job.id).await.unwrap(), Found::Purged(job.no), "the tombstone stays");
    }
    // In a partition that is young, nothing is dropped, though nothing is in it.
    assert_eq!(site.store.maintain().await.unwrap(), Maintained::default());

    // Its events stay for as long as the feed keeps them.
    site.pass(limits::FEED_KEEP_MILLIS - 5 * HOUR);
    site.trim().await;
    assert_eq!(site.store.maintain().await.unwrap().trimmed, 0);
    assert!(stands() && site.events().await.len() == 6);
    site.pass(5 * HOUR);
    assert_eq!(site.store.maintain().await.unwrap().trimmed, 0, "nobody has trimmed it");
    site.trim().await;
    assert!(stands() && site.events().await.is_empty());
    let (head, floor) = site.store.feed_bounds().await.unwrap();
    assert_eq!(head, floor);
    site.is_sound().await;
    while site.store.maintain().await.unwrap().trimmed > 0 {}
    assert!(!stands());
    site.close().await;
}

/// Who reads for long keeps partitions from being dropped, and nobody from anything else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_transaction_delays_a_drop_and_no_submit() {
    let site = Site::new().await;
    site.done(MINUTE).await;
    site.pass(SETTLED + HOUR);
    assert_eq!(site.purge_expired().await, 1);
    let stranger = stranger(&site).await;
    stranger.batch_execute("BEGIN; SELECT count(*) FROM spec; SELECT count(*) FROM event").await.unwrap();
    let before = site.partitions();
    for _ in 0..3 {
        let (maintained, jobs) = tokio::join!(site.store.maintain(), async {
            let mut jobs = Vec::new();
            for _ in 0..20 {
                let job = tokio::time::timeout(Duration::from_secs(10), site.done(HOUR)).await;
                jobs.push(job.expect("nobody waits for the stranger"));
            }
            jobs
        });
        let maintained = maintained.unwrap();
        assert_eq!((maintained.dropped, maintained.delayed), (0, 1));
        assert_eq!(jobs.len(), 20);
    }
    assert!(site.partitions() >= before);
    stranger.batch_execute("COMMIT").await.unwrap();
    while site.store.maintain().await.unwrap().dropped == 0 {}
    site.close().await;
}

/// One job that is kept for long does not keep what was written about all the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_partition_keeps_what_lives() {
    let site = Site::new().await;
    let mut rng = StdRng::seed_from_u64(7);
    let mut bulky = |new: NewJob| {
        let mut new = new;
        let bytes: Vec<u8> = (0..20_000).map(|_| rng.random()).collect();
        new.spec.input = Content { payload: Payload::Inline(Bytes::from(bytes)), ..content("") };
        new
    };
    let many: Vec<NewJob> = (0..100).map(|_| bulky(kept(MINUTE))).collect();
    site.one(Command::Submit(many)).await;
    for lease in site.lease(100).await {
        site.settle(lease, complete("\"gone\"")).await;
    }
    let succeeded = site.create(bulky(kept(90 * 24 * HOUR))).await;
    let running = site.create(bulky(kept(HOUR))).await;
    let leases = site.lease(2).await;
    let lease = |job: &Job| *leases.iter().find(|lease| lease.no == job.no).unwrap();
    site.settle(lease(&succeeded), complete("\"kept\"")).await;
    let late = site.setup.clock.now().plus(24 * HOUR);
    let scheduled = site.create(NewJob { run_at: Some(late), ..bulky(kept(HOUR)) }).await;
    site.pass(2 * MINUTE);
    assert_eq!(site.purge_expired().await, 100);
    site.pass(SETTLED);

    let size = || {
        let low = site.sql("SELECT min(no) FROM job");
        let sum = format!(
            "SELECT sum(pg_total_relation_size((t || '_' || suffix)::regclass)) FROM partition, \
             unnest(ARRAY['spec', 'result', 'report', 'chunk']) t WHERE low <= {low} AND high > {low}"
        );
        site.sql(&sum).parse::<u64>().unwrap()
    };
    let seen = async || {
        let mut all = Vec::new();
        for job in [&succeeded, &running, &scheduled] {
            let record = site.store.record(job.no).await.unwrap().unwrap();
            let (input, result) = (site.store.input(job.no).await.unwrap(), site.store.result(job.no).await.unwrap());
            assert!(input.is_some());
            all.push((record, input, result, site.store.job_events(job.no, 0, 99).await.unwrap()));
        }
        (all, site.store.events(Default::default(), &EventFilter::default(), 999).await.unwrap().items)
    };
    let (before, fat) = (seen().await, size());
    // While somebody writes about one of them, nothing moves.
    let stranger = stranger(&site).await;
    stranger.batch_execute(&format!("BEGIN; UPDATE report SET progress=NULL WHERE no={}", running.no.0)).await.unwrap();
    assert_eq!(site.store.maintain().await.unwrap().compacted, 0);
    stranger.batch_execute("COMMIT").await.unwrap();
    let other = site.node().await;
    let (one, two) = tokio::join!(site.store.maintain(), other.maintain());
    assert_eq!(one.unwrap().compacted + two.unwrap().compacted, 1, "by one of them");
    assert!(size() < fat / 5, "{} of {fat} bytes are left", size());
    assert_eq!(seen().await, before);
    site.is_sound().await;
    assert_eq!(site.store.maintain().await.unwrap().compacted, 0, "once");

    // Events of the others go when the feed is trimmed past them.
    site.pass(limits::FEED_KEEP_MILLIS - SETTLED);
    site.trim().await;
    let before = seen().await;
    assert_eq!(before.1.iter().map(|event| event.no).collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(site.sql("SELECT count(DISTINCT no) FROM event"), "103");
    assert_eq!(site.store.maintain().await.unwrap().compacted, 1);
    assert_eq!(site.sql("SELECT count(DISTINCT no) FROM event"), "3");
    assert_eq!(seen().await, before);
    site.is_sound().await;
    assert_eq!(site.store.maintain().await.unwrap().compacted, 0, "once");

    // They go on where they are.
    site.settle(lease(&running), complete("\"done\"")).await;
    site.pass(24 * HOUR);
    assert_eq!(site.one(Command::Promote(9)).await, Reply::Swept(1, Default::default()));
    let last = site.lease(9).await;
    site.settle(last[0], complete("\"done\"")).await;
    for job in [&succeeded, &running, &scheduled] {
        assert!(site.store.result(job.no).await.unwrap().is_some() || job.no == running.no);
    }
    other.close().await;
    site.close().await;
}

/// There are partitions before they are needed; and when a clock runs far ahead, as soon as they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_there_ahead_of_time() {
    let site = Site::new().await;
    let covered = |at: Timestamp| {
        let no = at.0 << 15;
        site.sql(&format!("SELECT count(*) FROM partition WHERE low<={no} AND high>{no}")) == "1"
    };
    let now = || site.setup.clock.now();
    assert!(covered(now()) && covered(now().plus(MINUTE)));
    site.pass(MINUTE);
    assert_eq!(site.store.maintain().await.unwrap().made, 1);
    assert!(covered(now()) && covered(now().plus(MINUTE)));
    // Nobody has looked after them for a year, and then for a century.
    for far in [365 * 24 * HOUR, 36_525 * 24 * HOUR] {
        site.pass(far);
        assert!(!covered(now()));
        let job = site.create(new_job()).await;
        assert!(covered(now()));
        assert_eq!(site.store.record(job.no).await.unwrap().unwrap().job, job);
    }
    // Another node, whose partitions are longer, makes its own between those that are there.
    let options = PostgresOptions { partition_length: 24 * HOUR, ..site.base.options(&site.setup) };
    let other = PostgresStore::open(options).await.unwrap();
    site.pass(3 * HOUR);
    let replies = other.apply(vec![Command::Submit(vec![new_job()])]).await.unwrap();
    assert!(matches!(replies[..], [Reply::Submitted(_)]), "{replies:?}");
    site.create(new_job()).await;
    // One that a node knows of and that is gone is made anew.
    site.pass(MINUTE);
    site.store.maintain().await.unwrap();
    let gone = site.sql("SELECT suffix FROM partition ORDER BY low DESC LIMIT 1");
    for table in ["spec", "result", "report", "chunk", "event"] {
        site.sql(&format!("DROP TABLE {table}_{gone}"));
    }
    site.sql(&format!("DELETE FROM partition WHERE suffix='{gone}'"));
    site.pass(24 * HOUR);
    site.create(new_job()).await;
    other.close().await;
    site.close().await;
}

/// What is done with the jobs of one partition needs nothing of another: nobody even waits for its locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_partition_is_looked_into() {
    let site = Site::new().await;
    let other = site.node().await;
    let mut commits = other.commits();
    site.done(MINUTE).await;
    let old = site.sql("SELECT suffix FROM partition, job WHERE no>=low AND no<high");
    site.pass(10 * MINUTE);
    assert_eq!(site.purge_expired().await, 1);
    site.store.maintain().await.unwrap();
    let head = site.store.feed_bounds().await.unwrap().0;
    let stranger = stranger(&site).await;
    let locks = ["spec", "result", "report", "chunk", "event"].map(|table| format!("{table}_{old}")).join(", ");
    stranger.batch_execute(&format!("BEGIN; LOCK TABLE {locks} IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    let life = async {
        let job = site.create(kept(MINUTE)).await;
        let lease = site.lease(1).await[0];
        site.one(Command::Append(Append {
            lease,
            kind: ChunkKind::Log,
            offset: None,
            bytes: "x".into(),
            content_type: None,
            limit: 9,
        }))
        .await;
        site.settle(lease, raincheck_store::conformance::fail("again")).await;
        assert!(site.store.record(job.no).await.unwrap().is_some());
        assert!(site.store.input(job.no).await.unwrap().is_some());
        assert_eq!(site.store.chunk_info(job.no, ChunkKind::Log, 1).await.unwrap().size, 1);
        assert_eq!(site.store.job_events(job.no, 0, 9).await.unwrap().len(), 3);
        let page = site.store.events(head, &EventFilter::default(), 99).await.unwrap();
        assert_eq!(page.items.len(), 3);
        assert_eq!(site.store.jobs(Filter::default(), 9).await.unwrap().items.len(), 1);
        // Another node hears of it all.
        while commits.recv().await.unwrap().events.iter().all(|event| event.state != State::Scheduled) {}
        site.one(Command::Cancel(Cancel { no: job.no, force: false, seq: None })).await;
        assert!(matches!(site.one(Command::Purge(job.no)).await, Reply::Purged(_)));
    };
    tokio::time::timeout(Duration::from_secs(20), life).await.expect("nobody waits for the old partitions");
    stranger.batch_execute("ROLLBACK").await.unwrap();
    other.close().await;
    site.close().await;
}

/// Whatever retention jobs have and whenever which node looks after the partitions: what lives is there, whole; what does
/// not is gone; and in the end so is everything that was written about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drop_never_touches_a_live_job() {
    for seed in 0..3 {
        let site = Site::new().await;
        let other = site.node().await;
        let mut rng = StdRng::seed_from_u64(seed);
        let mut jobs: BTreeMap<_, (Job, Timestamp, String)> = BTreeMap::new();
        let mut dropped = 0;
        for step in 0..30 {
            for index in 0..rng.random_range(0..4) {
                let keep = [MINUTE, 30 * MINUTE, 2 * HOUR, 9 * HOUR][rng.random_range(0..4)];
                let text = format!("\"{seed} {step} {index}\"");
                let mut new = kept(keep);
                new.spec.input = Content { digest: [0; 16], ..content(&text) };
                let job = site.create(new).await;
                let lease = site.lease(1).await[0];
                site.settle(lease, complete(&text)).await;
                jobs.insert(job.no, (job, site.setup.clock.now().plus(keep), text));
            }
            site.pass(rng.random_range(1..40) * MINUTE);
            if rng.random_bool(0.7) {
                site.purge_expired().await;
            }
            let (one, two, late) = tokio::join!(site.store.maintain(), other.maintain(), site.create(kept(MINUTE)));
            dropped += one.unwrap().dropped + two.unwrap().dropped;
            site.one(Command::Cancel(Cancel { no: late.no, force: false, seq: None })).await;
            site.purge_expired().await;
            let now = site.setup.clock.now();
            for (job, until, text) in jobs.values() {
                let found = other.job(job.id).await.unwrap();
                if *until <= now {
                    assert_eq!(found, Found::Purged(job.no));
                } else {
                    assert!(matches!(&found, Found::Here(record) if record.result.is_some()), "{found:?}");
                    let expected = content(text).payload;
                    assert_eq!(other.input(job.no).await.unwrap().unwrap().payload, expected);
                    assert_eq!(other.result(job.no).await.unwrap().unwrap().payload, expected);
                    assert_eq!(other.job_events(job.no, 0, 9).await.unwrap().len(), 3);
                }
            }
        }
        assert!(dropped > 5, "{dropped}");
        site.is_sound().await;
        site.pass(24 * HOUR);
        site.purge_expired().await;
        site.pass(limits::FEED_KEEP_MILLIS);
        site.trim().await;
        while site.store.maintain().await.unwrap() != Maintained::default() {}
        assert_eq!(site.partitions(), 2, "this minute's and the next one's");
        assert_eq!(site.sql("SELECT count(*) FROM spec") + &site.sql("SELECT count(*) FROM event"), "00");
        other.close().await;
        site.close().await;
    }
}
