//! A disk that changes or loses what was written: the doctor comes to an end and says so, a server starts or says why not,
//! and nothing that was acknowledged goes in silence.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use raincheck_core::{Command, NewJob};
use raincheck_store::conformance::new_job;
use raincheck_store::{CheckPage, Checkup as _, Finding, Invariant, SqliteDoctor, SqliteOptions, SqliteStore, Store};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;

use crate::doctor::{copy, filled, options};

/// What is not over by then never will be.
const PATIENCE: Duration = Duration::from_secs(120);
const PAGE: usize = 4_096;
const SEEDS: u64 = 200;

/// A store that is still open, with tables of many pages.
async fn large(folder: &Path) -> Arc<SqliteStore> {
    let store = filled(folder).await;
    for hundred in 0..12 {
        let jobs = (0..100).map(|number| {
            let mut new = new_job();
            new.spec.key = Some(format!("key-{:0>40}", hundred * 100 + number).into());
            NewJob { delay: 1_000, ..new }
        });
        store.apply(vec![Command::Submit(jobs.collect())]).await.unwrap();
    }
    store
}

/// Everything the doctor says, which comes to an end.
async fn looked_through(folder: &Path, quick: bool) -> CheckPage {
    let begin = Instant::now();
    let mut all = CheckPage::default();
    let mut doctor = match SqliteDoctor::open(&options(folder), quick) {
        Ok(doctor) => doctor,
        Err(error) => {
            let finding = Finding {
                invariant: Invariant::Database,
                subject: "raincheck.db".into(),
                detail: error.to_string().into(),
            };
            return CheckPage { findings: vec![finding], ..all };
        }
    };
    while let Some(page) = doctor.page().await.unwrap() {
        all.findings.extend(page.findings);
        all.unjudged.extend(page.unjudged);
        assert!(begin.elapsed() < PATIENCE, "the doctor does not end");
    }
    all
}

fn says(all: &CheckPage, invariant: Invariant, text: &str) -> bool {
    all.findings.iter().any(|one| one.invariant == invariant && one.detail.contains(text))
}

fn copied(from: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(from, folder.path());
    folder
}

/// Leads every way out of a table's topmost page to the first of the pages below it.
fn turn_back(folder: &Path, table: &str) {
    let path = folder.join("raincheck.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    let root: u32 =
        db.query_row("SELECT rootpage FROM sqlite_schema WHERE name=?1", [table], |row| row.get(0)).unwrap();
    db.close().unwrap();
    let root = root as usize;
    let mut bytes = fs::read(&path).unwrap();
    let page = &mut bytes[(root - 1) * PAGE..root * PAGE];
    assert!(matches!(page[0], 2 | 5), "{table} has one page only");
    let place = |page: &[u8], at: usize| usize::from(u16::from_be_bytes([page[at], page[at + 1]]));
    let (cells, first) = (place(page, 3), place(page, 12));
    assert!(cells > 2, "{table} has {cells} pages only");
    let child: [u8; 4] = page[first..first + 4].try_into().unwrap();
    for cell in 1..cells {
        let at = place(page, 12 + 2 * cell);
        page[at..at + 4].copy_from_slice(&child);
    }
    page[8..12].copy_from_slice(&child);
    fs::write(&path, bytes).unwrap();
}

/// A named object that cannot be read is found, and so is a reader beyond the feed.
#[tokio::test]
async fn a_named_object_that_makes_no_sense_is_found() {
    let sound = tempfile::tempdir().unwrap();
    filled(sound.path()).await.close().await;
    for (values, what) in [
        ("0, 'r', 1, 1, x'07'", "its place cannot be read"),
        ("0, 'r', 1, 1, x'0100000000000003e80000000000000000'", "it has read up to 1000, and the last event is"),
        ("0, ' ', 1, 1, x''", "not a name"),
        ("9, 'r', 1, 1, x''", "unknown kind of object"),
    ] {
        let folder = copied(sound.path());
        let db = rusqlite::Connection::open(folder.path().join("raincheck.db")).unwrap();
        db.execute(&format!("INSERT INTO object VALUES ({values})"), []).unwrap();
        db.close().unwrap();
        let all = looked_through(folder.path(), true).await;
        assert!(all.findings.len() == 1 && says(&all, Invariant::Objects, what), "{what}: {all:?}");
    }
}

#[tokio::test]
async fn pages_that_lead_back_end_the_look() {
    let sound = tempfile::tempdir().unwrap();
    large(sound.path()).await.close().await;
    for table in ["job", "spec", "event", "event_of_job", "claim", "job_due"] {
        let hurt = copied(sound.path());
        turn_back(hurt.path(), table);
        let all = looked_through(hurt.path(), false).await;
        assert!(says(&all, Invariant::Database, ""), "{table}: {:#?}", all.findings);
        if let Ok(store) = SqliteStore::open(options(hurt.path())) {
            let mut live = store.check().unwrap();
            let begin = Instant::now();
            while live.page().await.unwrap().is_some() {
                assert!(begin.elapsed() < PATIENCE, "{table}: a server's own look does not end");
            }
            store.close().await;
        }
    }
    let hurt = copied(sound.path());
    turn_back(hurt.path(), "claim");
    let all = looked_through(hurt.path(), false).await;
    assert!(says(&all, Invariant::Database, "claims: its pages lead in a circle"), "{:#?}", all.findings);
    assert!(all.unjudged.iter().any(|(invariant, _)| *invariant == Invariant::Claims), "{:#?}", all.unjudged);
}

#[tokio::test]
async fn a_payload_of_the_same_size_that_is_another_is_found() {
    let sound = tempfile::tempdir().unwrap();
    filled(sound.path()).await.close().await;
    let names: Vec<String> = {
        let db = rusqlite::Connection::open(sound.path().join("raincheck.db")).unwrap();
        let mut names = db.prepare("SELECT name FROM blob WHERE digest IS NOT NULL").unwrap();
        names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(names.len(), 2, "of an input and of a result");
    for name in names {
        let hurt = copied(sound.path());
        let path = hurt.path().join("blobs").join(&name[..2]).join(&name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 1;
        fs::write(&path, bytes).unwrap();
        let all = looked_through(hurt.path(), false).await;
        assert!(says(&all, Invariant::Files, &format!("{name} is not what was written")), "{:#?}", all.findings);
        assert_eq!(looked_through(hurt.path(), true).await.findings, [], "sizes are what they were");
    }
}

/// Waits until the mark says `head`.
async fn marked(folder: &Path, head: i64) {
    let begin = Instant::now();
    while !fs::read_to_string(folder.join("raincheck.mark")).unwrap_or_default().contains(&format!("head {head:019} "))
    {
        assert!(begin.elapsed() < PATIENCE, "the mark does not follow");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a killed server leaves: a database behind its log, and a mark that has followed.
async fn killed() -> (TempDir, i64) {
    let folder = tempfile::tempdir().unwrap();
    let store = large(folder.path()).await;
    let head = store.feed_bounds().await.unwrap().0.0;
    marked(folder.path(), head).await;
    let left = copied(folder.path());
    store.close().await;
    (left, head)
}

#[tokio::test]
async fn a_log_that_was_lost_is_missed() {
    let (left, head) = killed().await;
    // All that was ever folded in came from a server that was stopped well before.
    let hurt = tempfile::tempdir().unwrap();
    filled(hurt.path()).await.close().await;
    fs::copy(left.path().join("raincheck.mark"), hurt.path().join("raincheck.mark")).unwrap();
    let of_nobody = hurt.path().join("blobs/ab/ab000000000000000000000000000000");
    fs::write(&of_nobody, "the input of a job that is missing").unwrap();
    let all = looked_through(hurt.path(), true).await;
    assert!(says(&all, Invariant::Acknowledged, &format!("to {head} were acknowledged and are missing")), "{all:#?}");

    let store = SqliteStore::open(options(hurt.path())).unwrap();
    let missing = store.missing_events();
    assert!(missing > 0);
    assert!(of_nobody.exists(), "it may be all that is left of a job");
    let (on, floor) = store.feed_bounds().await.unwrap();
    assert!(on.0 > head && floor == on, "no cursor comes again: {on:?}, {floor:?}");
    store.close().await;
    // It is said again until somebody has said that he knows.
    let store = SqliteStore::open(options(hurt.path())).unwrap();
    assert_eq!(store.missing_events(), missing);
    store.close().await;
    let all = looked_through(hurt.path(), true).await;
    assert!(says(&all, Invariant::Acknowledged, "were found missing when a server started"), "{all:#?}");
    fs::remove_file(hurt.path().join("raincheck.mark")).unwrap();
    let store = SqliteStore::open(options(hurt.path())).unwrap();
    assert_eq!(store.missing_events(), 0);
    store.close().await;
    assert!(!says(&looked_through(hurt.path(), true).await, Invariant::Acknowledged, ""));
}

/// Changes a few bits, or a page, or takes the end away.
fn spoil(file: &Path, rng: &mut StdRng) {
    let mut bytes = fs::read(file).unwrap();
    if bytes.is_empty() {
        return;
    }
    match rng.random_range(0..4) {
        0 => {
            for _ in 0..rng.random_range(1..20) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] ^= 1 << rng.random_range(0..8);
            }
        }
        // Where pages say what is in them.
        1 => {
            let page = rng.random_range(0..bytes.len().div_ceil(PAGE)) * PAGE;
            for _ in 0..8 {
                let at = (page + rng.random_range(0..64)).min(bytes.len() - 1);
                bytes[at] = rng.random();
            }
        }
        2 if bytes.len() > PAGE => {
            let (from, to) = (rng.random_range(0..bytes.len() / PAGE), rng.random_range(0..bytes.len() / PAGE));
            bytes.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
        }
        _ => bytes.truncate(rng.random_range(0..bytes.len())),
    }
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn whatever_is_damaged_the_doctor_ends_and_a_start_is_a_start_or_an_error() {
    let (left, head) = killed().await;
    let _ = fs::remove_file(left.path().join("raincheck.db-shm"));
    for seed in 0..SEEDS {
        let mut rng = StdRng::seed_from_u64(seed);
        let hurt = copied(left.path());
        let in_log = seed % 2 == 0;
        spoil(&hurt.path().join(if in_log { "raincheck.db-wal" } else { "raincheck.db" }), &mut rng);
        let all = looked_through(hurt.path(), false).await;
        let options = SqliteOptions { durable: false, ..options(hurt.path()) };
        let opened = tokio::task::spawn_blocking(move || SqliteStore::open(options));
        let opened = tokio::time::timeout(PATIENCE, opened).await.unwrap_or_else(|_| panic!("seed {seed}: it hangs"));
        let opened = opened.unwrap_or_else(|panic| panic!("seed {seed}: {panic}"));
        let Ok(store) = opened else { continue };
        // Nothing is lost in silence: neither to those who look, nor to those who start it.
        let reached = store.feed_bounds().await.unwrap().0.0;
        assert!(reached >= head, "seed {seed}: the feed ends at {reached}, {head} was given out");
        assert!(reached == head || store.missing_events() > 0, "seed {seed}");
        assert!(store.missing_events() == 0 || !all.findings.is_empty(), "seed {seed}: the doctor saw nothing");
        store.close().await;
    }
}
