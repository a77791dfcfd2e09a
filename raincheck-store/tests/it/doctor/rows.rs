//! Damaged rows: each check finds what it was made for.

use raincheck_store::{Invariant, Store as _};

use super::store::{everything, examined, filled, hurt};

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
    // statistics
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
              PRAGMA writable_schema=RESET; INSERT INTO job SELECT no + 9999999, random_bits, client_id, queue, kind, 3, flags, priority, attempt, failures, losses, max_attempts, max_losses, seq, shared, rank, ticket, run_at, start_by, timeout, ttl, keep_succeeded, keep_failed, created_at, started_at, updated_at, finished_at, expires_at FROM job WHERE state=3; \
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
