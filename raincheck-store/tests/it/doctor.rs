//! The doctor finds nothing in a sound store, and each of its checks finds the damage it was made for.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raincheck_core::{
    Append, Cancel, ChunkKind, Command, Content, Job, LeaseJobs, LeaseRef, Method, NewJob, Outcome, Payload, Reply,
    Settle, SteppedClock, Timestamp,
};
use raincheck_store::conformance::{complete, digest, fail, new_job, worker_asks};
use raincheck_store::{
    BlobWriter, CheckPage, Checkup, Finding, Invariant, SqliteDoctor, SqliteOptions, SqliteStore, Store, StoreError,
};
use tempfile::TempDir;

pub fn options(folder: &Path) -> SqliteOptions {
    let clock = Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000)));
    SqliteOptions { clock, seed: Some(1), reserve_bytes: 0, ..SqliteOptions::in_folder(folder) }
}

async fn one(store: &SqliteStore, command: Command) -> Reply {
    store.apply(vec![command]).await.unwrap().remove(0)
}

async fn submit(store: &SqliteStore, new: NewJob) -> Job {
    match one(store, Command::Submit(vec![new])).await {
        Reply::Submitted(all) => all[0].job().clone(),
        other => panic!("{other:?}"),
    }
}

async fn lease(store: &SqliteStore, max: usize) -> Vec<LeaseRef> {
    let asks = LeaseJobs { ttl: 3_600_000, ..worker_asks(&["k"], max) };
    match one(store, Command::Lease(asks)).await {
        Reply::Leased(jobs) => jobs.iter().map(|(job, _)| job.lease_ref()).collect(),
        other => panic!("{other:?}"),
    }
}

async fn settle(store: &SqliteStore, lease: LeaseRef, outcome: Outcome) {
    let reply = one(store, Command::Settle(Settle { lease, outcome })).await;
    assert!(matches!(reply, Reply::Job(_)), "{reply:?}");
}

fn file(store: &SqliteStore, text: &str) -> Content {
    let mut writer: BlobWriter = store.blobs().create().unwrap();
    writer.write(text.as_bytes()).unwrap();
    let (size, name) = (writer.size(), writer.finish().unwrap());
    Content { payload: Payload::Blob { name, size }, digest: digest(text), ..Content::default() }
}

/// A store with something of everything, still open: numbers of jobs rise in the order of the names given here.
pub async fn filled(folder: &Path) -> Arc<SqliteStore> {
    let store = SqliteStore::open(options(folder)).unwrap();
    // succeeded, with files
    let mut with_file = new_job();
    with_file.spec.input = file(&store, "input");
    with_file.spec.key = Some("k1".into());
    submit(&store, with_file).await;
    let run = lease(&store, 1).await[0];
    let bytes = bytes::Bytes::from_static(b"line\n");
    let append = Append { lease: run, kind: ChunkKind::Log, offset: None, bytes, content_type: None, limit: 1 << 20 };
    one(&store, Command::Append(append)).await;
    settle(&store, run, Outcome::Complete(file(&store, "result"))).await;
    // retrying, after a release and a failure
    submit(&store, new_job()).await;
    settle(&store, lease(&store, 1).await[0], Outcome::Release { delay: 0 }).await;
    settle(&store, lease(&store, 1).await[0], fail("no")).await;
    // canceled
    let canceled = submit(&store, NewJob { delay: 60_000, ..new_job() }).await;
    one(&store, Command::Cancel(Cancel { no: canceled.no, force: false })).await;
    // purged, with a key
    let mut purged = new_job();
    purged.spec.key = Some("k2".into());
    submit(&store, purged).await;
    let run = lease(&store, 1).await[0];
    settle(&store, run, complete("{}")).await;
    one(&store, Command::Purge(run.no)).await;
    // running
    submit(&store, new_job()).await;
    assert_eq!(lease(&store, 9).await.len(), 1);
    // queued, shared and under a chosen id
    let equal = NewJob { method: Method::Get, equal: Some([7; 16]), ..new_job() };
    submit(&store, equal).await;
    let id = "9f1c2c3d-4e5f-4a6b-8c7d-123456789abc".parse().unwrap();
    submit(&store, NewJob { id: Some(id), ..new_job() }).await;
    store
}

async fn everything(checkup: &mut dyn Checkup) -> CheckPage {
    let mut all = CheckPage::default();
    while let Some(page) = checkup.page().await.unwrap() {
        all.findings.extend(page.findings);
        all.unjudged.extend(page.unjudged);
        all.looked += page.looked;
    }
    all
}

pub async fn examined(folder: &Path) -> Vec<Finding> {
    let mut doctor = SqliteDoctor::open(&options(folder), false).unwrap();
    assert!(!doctor.is_served());
    let all = everything(&mut doctor).await;
    assert_eq!(all.unjudged, [], "a stopped store is judged in full");
    all.findings
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn blob(folder: &Path) -> PathBuf {
    let shards = fs::read_dir(folder.join("blobs")).unwrap().map(|shard| shard.unwrap().path());
    let mut files =
        shards.filter(|shard| shard.is_dir() && !shard.ends_with("tmp")).flat_map(|shard| fs::read_dir(shard).unwrap());
    files.next().unwrap().unwrap().path()
}

fn listing(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.path(), entry.metadata().unwrap().len()))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn a_sound_store_has_nothing_wrong_open_stopped_and_killed() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let mut beside = SqliteDoctor::open(&options(folder.path()), false).unwrap();
    assert!(beside.is_served());
    let all = everything(&mut beside).await;
    assert_eq!((all.findings, all.unjudged), (vec![], vec![]));
    assert!(all.looked > 50, "{}", all.looked);
    drop(beside);
    let own = everything(&mut *store.check().unwrap()).await;
    assert_eq!((own.findings, own.unjudged), (vec![], vec![]));

    let killed = tempfile::tempdir().unwrap();
    copy(folder.path(), killed.path());
    assert!(fs::metadata(killed.path().join("raincheck.db-wal")).unwrap().len() > 0, "the log was not folded in");
    assert_eq!(examined(killed.path()).await, []);

    store.close().await;
    drop(store);
    let before = listing(folder.path());
    assert_eq!(examined(folder.path()).await, []);
    assert_eq!(listing(folder.path()), before, "it leaves nothing behind");
}

#[tokio::test]
async fn servers_are_kept_out_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    SqliteStore::open(options(folder.path())).unwrap().close().await;
    let doctor = SqliteDoctor::open(&options(folder.path()), false).unwrap();
    let second = SqliteDoctor::open(&options(folder.path()), false).unwrap();
    assert!(!doctor.is_served() && !second.is_served());
    assert!(matches!(SqliteStore::open(options(folder.path())).map(|_| ()), Err(StoreError::InUse(_))));
    drop((doctor, second));
    SqliteStore::open(options(folder.path())).unwrap().close().await;
}

#[tokio::test]
async fn what_is_no_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(SqliteDoctor::open(&options(folder.path()), false).is_err());
    assert_eq!(listing(folder.path()), [], "and nothing is made");
    fs::write(folder.path().join("raincheck.db"), "hello, I am not a database at all".repeat(99)).unwrap();
    assert!(SqliteDoctor::open(&options(folder.path()), false).is_err());
}

/// One way to damage a store, and what must be found then.
struct Damage {
    sql: &'static str,
    found: Invariant,
    says: &'static str,
}

const DAMAGES: &[Damage] = &[
    // a hole, and a row that counts too few
    Damage {
        sql: "DELETE FROM event WHERE seq=2 AND no=(SELECT min(no) FROM job)",
        found: Invariant::Events,
        says: "event 3 follows event 1",
    },
    Damage {
        sql: "UPDATE job SET seq=seq-1 WHERE no=(SELECT max(no) FROM job)",
        found: Invariant::Events,
        says: "the row says 0 events",
    },
    Damage {
        sql: "DELETE FROM event WHERE no=(SELECT max(no) FROM job)",
        found: Invariant::Events,
        says: "the last is number 0",
    },
    Damage {
        sql: "UPDATE event SET type=1 WHERE seq=1 AND no=(SELECT max(no) FROM job)",
        found: Invariant::Events,
        says: "event 1 is `queued`",
    },
    // ends
    Damage {
        sql: "UPDATE event SET type=4, state=3 WHERE type=9 AND no IN (SELECT no FROM job)",
        found: Invariant::FinalEvent,
        says: "0 final events",
    },
    Damage {
        sql: "INSERT INTO event SELECT 900, no, seq + 1, type, state, attempt, at, data FROM event \
              WHERE type=9 AND no IN (SELECT no FROM job); \
              UPDATE job SET seq=seq+1 WHERE state=4",
        found: Invariant::FinalEvent,
        says: "follows the end",
    },
    Damage {
        sql: "INSERT INTO event SELECT 900, no, seq + 1, 9, 4, attempt, updated_at, NULL FROM job WHERE state=3",
        found: Invariant::FinalEvent,
        says: "1 final events where 0 belong",
    },
    // the feed
    Damage {
        sql: "UPDATE event SET cursor=-1 WHERE no=(SELECT min(no) FROM job) AND seq=2",
        found: Invariant::Feed,
        says: "stands before event 1",
    },
    Damage {
        sql: "INSERT INTO event SELECT max(cursor) + 2, (SELECT no FROM job WHERE state=3), 3, 4, 3, 1, at, NULL FROM event; \
              UPDATE job SET seq=3 WHERE state=3",
        found: Invariant::Feed,
        says: "nothing stands between",
    },
    // attempts
    Damage {
        sql: "UPDATE event SET attempt=2 WHERE type=3 AND no=(SELECT no FROM job WHERE state=3)",
        found: Invariant::Attempts,
        says: "attempt 2 follows attempt 0",
    },
    Damage {
        sql: "INSERT INTO event SELECT 900, no, seq + 1, 3, 3, attempt + 1, updated_at, NULL FROM job WHERE state=3; \
              UPDATE job SET seq=seq+1, attempt=attempt+1 WHERE state=3",
        found: Invariant::Attempts,
        says: "began while another was open",
    },
    Damage {
        sql: "UPDATE job SET attempt=7 WHERE state=3",
        found: Invariant::Attempts,
        says: "the row says attempt 7",
    },
    // states
    Damage {
        sql: "UPDATE job SET state=3 WHERE state=4",
        found: Invariant::States,
        says: "the row says running, the last event succeeded",
    },
    Damage {
        sql: "UPDATE event SET state=0 WHERE type=3",
        found: Invariant::States,
        says: "goes from queued to scheduled",
    },
    Damage { sql: "UPDATE job SET state=77 WHERE state=4", found: Invariant::States, says: "nothing known" },
    // rows
    Damage {
        sql: "UPDATE job SET finished_at=NULL WHERE state=4",
        found: Invariant::Rows,
        says: "finished and kept-until",
    },
    Damage {
        sql: "UPDATE job SET expires_at=1 WHERE state=1",
        found: Invariant::Rows,
        says: "finished and kept-until",
    },
    Damage {
        sql: "UPDATE job SET started_at=NULL WHERE state=3",
        found: Invariant::Rows,
        says: "start and its attempt",
    },
    Damage {
        sql: "DELETE FROM spec WHERE no=(SELECT max(no) FROM job)",
        found: Invariant::Rows,
        says: "asked for is gone",
    },
    Damage { sql: "DELETE FROM result", found: Invariant::Rows, says: "a result belongs" },
    Damage {
        sql: "DELETE FROM report WHERE no=(SELECT no FROM job WHERE state=6)",
        found: Invariant::Rows,
        says: "without saying why",
    },
    Damage { sql: "UPDATE job SET losses=5 WHERE state=3", found: Invariant::Rows, says: "more failures and losses" },
    Damage { sql: "UPDATE job SET attempt=9, losses=9 WHERE state=3", found: Invariant::Rows, says: "losses in a row" },
    Damage { sql: "UPDATE job SET max_attempts=0 WHERE failures=1", found: Invariant::Rows, says: "than it may have" },
    Damage { sql: "UPDATE job SET shared=0 WHERE state=3", found: Invariant::Rows, says: "belongs to nobody" },
    Damage { sql: "UPDATE job SET ttl=0 WHERE state=3", found: Invariant::Leases, says: "without a lease" },
    // names
    Damage {
        sql: "DELETE FROM claim WHERE key=CAST('k1' AS BLOB)",
        found: Invariant::Keys,
        says: "its key stands for no job",
    },
    Damage {
        sql: "UPDATE claim SET no=(SELECT max(no) FROM job) WHERE key=CAST('k1' AS BLOB)",
        found: Invariant::Keys,
        says: "its key stands for another job",
    },
    Damage { sql: "DELETE FROM claim WHERE scope=0", found: Invariant::Keys, says: "its id stands for no job" },
    Damage { sql: "DELETE FROM tombstone", found: Invariant::Claims, says: "neither here nor remembered" },
    Damage { sql: "UPDATE claim SET key=x'00' WHERE scope=0", found: Invariant::Claims, says: "a job of another id" },
    Damage {
        sql: "UPDATE claim SET queue=queue+1 WHERE key=CAST('k1' AS BLOB)",
        found: Invariant::Claims,
        says: "a job of another queue",
    },
    Damage {
        sql: "UPDATE claim SET no=(SELECT no FROM job WHERE state=3) WHERE key=x'07070707070707070707070707070707'",
        found: Invariant::Claims,
        says: "a POST job",
    },
    Damage {
        sql: "UPDATE claim SET no=(SELECT no FROM tombstone) WHERE key=x'07070707070707070707070707070707'",
        found: Invariant::Claims,
        says: "a job that was purged",
    },
    // what belongs to a job that vanished
    Damage {
        sql: "DELETE FROM job WHERE state=3",
        found: Invariant::Belongings,
        says: "what was asked for is here, the job is not",
    },
    Damage { sql: "DELETE FROM job WHERE state=4", found: Invariant::Belongings, says: "a result is here" },
    Damage { sql: "DELETE FROM job WHERE state=6", found: Invariant::Belongings, says: "a report is here" },
    Damage { sql: "DELETE FROM job WHERE state=4", found: Invariant::Belongings, says: "a stream or log is here" },
    Damage { sql: "DELETE FROM job WHERE state=3", found: Invariant::Belongings, says: "which is not here" },
    Damage {
        sql: "UPDATE spec SET blob=NULL WHERE blob IS NOT NULL",
        found: Invariant::Belongings,
        says: "does not refer to it",
    },
    Damage {
        sql: "INSERT INTO tombstone SELECT no, x'00', 9, 'q', 'k' FROM job WHERE state=3",
        found: Invariant::Belongings,
        says: "still here",
    },
    Damage { sql: "DELETE FROM blob", found: Invariant::Files, says: "would be removed" },
    // what is to follow
    Damage { sql: "INSERT INTO follow_up (what, no) VALUES (9, 1)", found: Invariant::FollowUps, says: "9 may" },
    // figures
    Damage {
        sql: "UPDATE counter SET n=n+1 WHERE state=1",
        found: Invariant::Counters,
        says: "queued: kept 3, counted 2",
    },
    Damage { sql: "DELETE FROM counter", found: Invariant::Counters, says: "succeeded: kept 0, counted 1" },
    Damage {
        sql: "UPDATE queue SET served=served-1",
        found: Invariant::Counters,
        says: "never started: kept 3, counted 2",
    },
    Damage {
        sql: "UPDATE meta SET value=value+1 WHERE name='feed_forgotten_bytes'",
        found: Invariant::Counters,
        says: "events of forgotten jobs: kept",
    },
    // indexes and formats
    Damage {
        // The index is told to hold nothing while a job becomes queued, then told the truth again.
        sql: "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'state = 1', 'state = 99') WHERE name='job_ready'; \
              PRAGMA writable_schema=RESET; UPDATE job SET rank=rank+1 WHERE state=1; \
              PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'state = 99', 'state = 1') WHERE name='job_ready'; \
              PRAGMA writable_schema=RESET",
        found: Invariant::Ready,
        says: "nobody would find it",
    },
    Damage {
        sql: "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'state = 1', 'state = 99') WHERE name='job_ready'; \
              PRAGMA writable_schema=RESET; UPDATE job SET state=2 WHERE state=1; \
              PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'state = 99', 'state = 1') WHERE name='job_ready'; \
              PRAGMA writable_schema=RESET",
        found: Invariant::Ready,
        says: "the row does not",
    },
    Damage {
        sql: "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'state = 3', 'state = 99') WHERE name='job_running'; \
              PRAGMA writable_schema=RESET; INSERT INTO job SELECT no + 9999999, salt, given, queue, kind, 3, flags, priority, attempt, failures, losses, max_attempts, max_losses, seq, shared, rank, ticket, run_at, start_by, timeout, ttl, keep_succeeded, keep_failed, created_at, started_at, updated_at, finished_at, expires_at FROM job WHERE state=3; \
              PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql, 'state = 99', 'state = 3') WHERE name='job_running'; \
              PRAGMA writable_schema=RESET",
        found: Invariant::Database,
        says: "job_running",
    },
    Damage { sql: "PRAGMA journal_mode=DELETE", found: Invariant::Journal, says: "not written through a log" },
    Damage { sql: "UPDATE refinery_schema_history SET version=9000", found: Invariant::Format, says: "it is 9000" },
];

#[tokio::test]
async fn every_check_finds_the_damage_it_was_made_for() {
    let sound = tempfile::tempdir().unwrap();
    filled(sound.path()).await.close().await;
    let mut missed = Vec::new();
    for Damage { sql, found, says } in DAMAGES {
        let hurt = hurt(sound.path(), |folder| {
            let db = rusqlite::Connection::open(folder.join("raincheck.db")).unwrap();
            db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
            db.execute_batch(sql).unwrap();
        });
        let findings = examined(hurt.path()).await;
        if !findings.iter().any(|one| one.invariant == *found && one.detail.contains(says)) {
            missed.push((found, says, sql, findings));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

fn hurt(sound: &Path, damage: impl FnOnce(&Path)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(sound, folder.path());
    damage(folder.path());
    folder
}

#[tokio::test]
async fn damage_outside_of_rows_is_found() {
    let sound = tempfile::tempdir().unwrap();
    filled(sound.path()).await.close().await;
    let expect = async |found: Invariant, says: &str, damage: &dyn Fn(&Path)| {
        let hurt = hurt(sound.path(), damage);
        let findings = examined(hurt.path()).await;
        let hit =
            findings.iter().all(|one| one.invariant == found) && findings.iter().any(|one| one.detail.contains(says));
        assert!(hit, "{found:?} {says:?}: {findings:#?}");
    };
    expect(Invariant::Files, "can't be had", &|folder| fs::remove_file(blob(folder)).unwrap()).await;
    expect(Invariant::Files, "has 2 bytes", &|folder| fs::write(blob(folder), "xx").unwrap()).await;
    expect(Invariant::Orphans, "no job refers to it; 3 bytes", &|folder| {
        fs::write(folder.join(format!("blobs/ab/ab{:030x}", 7)), "abc").unwrap();
    })
    .await;
    expect(Invariant::Permissions, "mode 777", &|folder| {
        fs::set_permissions(folder.join("blobs"), fs::Permissions::from_mode(0o777)).unwrap();
    })
    .await;
    expect(Invariant::Log, "513 MiB", &|folder| {
        File::create(folder.join("raincheck.db-wal")).unwrap().set_len(513 << 20).unwrap();
    })
    .await;
    expect(Invariant::Journal, "it has 2 names", &|folder| {
        fs::hard_link(folder.join("raincheck.db"), folder.join("other.db")).unwrap();
    })
    .await;
    let bare = hurt(sound.path(), |folder| fs::remove_dir_all(folder.join("blobs")).unwrap());
    let all = everything(&mut SqliteDoctor::open(&options(bare.path()), false).unwrap()).await.findings;
    assert!(!all.is_empty() && all.iter().all(|one| one.invariant != Invariant::Space), "{all:#?}");
    // A page of the table of jobs, overwritten as a failing disk would.
    let hurt = hurt(sound.path(), |folder| {
        let path = folder.join("raincheck.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        let root: u32 =
            db.query_row("SELECT rootpage FROM sqlite_schema WHERE name='job'", [], |row| row.get(0)).unwrap();
        db.close().unwrap();
        let (mut bytes, root) = (fs::read(&path).unwrap(), root as usize);
        bytes[(root - 1) * 4096..root * 4096].fill(0xa5);
        fs::write(&path, bytes).unwrap();
    });
    let all = everything(&mut SqliteDoctor::open(&options(hurt.path()), false).unwrap()).await;
    assert!(all.findings.iter().any(|one| one.invariant == Invariant::Database), "{all:#?}");
    assert!(all.unjudged.iter().any(|(invariant, _)| *invariant == Invariant::Rows), "what was not reached: {all:#?}");
    let early = Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000 - 1_461 * 86_400_000)));
    let behind = SqliteOptions { clock: early, ..options(sound.path()) };
    let findings = everything(&mut SqliteDoctor::open(&behind, false).unwrap()).await.findings;
    let told = findings.iter().map(|one| (one.invariant, &*one.detail)).collect::<Vec<_>>();
    assert_eq!(told, [(Invariant::Clock, "it is 1461 days behind the last change of the data")]);
    let full = SqliteOptions { reserve_bytes: u64::MAX, ..options(sound.path()) };
    let findings = everything(&mut SqliteDoctor::open(&full, false).unwrap()).await.findings;
    assert!(findings.iter().all(|one| one.invariant == Invariant::Space) && findings.len() == 1, "{findings:#?}");
}

/// A server's own look sees what its rows and its memory disagree on.
#[tokio::test]
async fn a_live_store_finds_damage_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path()).await;
    let db = rusqlite::Connection::open(folder.path().join("raincheck.db")).unwrap();
    db.execute_batch("UPDATE job SET attempt=2 WHERE state=3").unwrap();
    let findings = everything(&mut *store.check().unwrap()).await.findings;
    for (invariant, says) in [(Invariant::Attempts, "attempt 2"), (Invariant::Leases, "attempt 1 is leased")] {
        let hit = findings.iter().any(|one| one.invariant == invariant && one.detail.contains(says));
        assert!(hit, "{invariant:?}: {findings:#?}");
    }
    store.close().await;
}
