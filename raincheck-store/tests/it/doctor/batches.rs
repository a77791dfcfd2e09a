//! What a doctor finds of batches whose names lead astray.

use raincheck_core::{Batch, BatchName, Command, Reply};
use raincheck_store::conformance::{digest, new_job};
use raincheck_store::{Invariant, PostgresDoctor, PostgresOptions, PostgresStore, SqliteStore, Store};

use super::store::{copy, examined, options};
use crate::findings::findings;
use crate::postgres::Base;

/// Three jobs, the first of them with a key.
async fn submit_batch(store: &dyn Store) {
    let name = BatchName { id: "r".into(), fingerprint: digest("x") };
    let mut jobs = vec![new_job(); 3];
    jobs[0].spec.key = Some("k".into());
    let replies = store.apply(vec![Command::SubmitBatch(Batch { name, jobs })]).await.unwrap();
    assert!(matches!(replies[..], [Reply::Submitted(_)]));
}

#[tokio::test]
async fn a_doctor_finds_where_names_of_batches_lead_astray() {
    let sound = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(sound.path())).unwrap();
    submit_batch(&*store).await;
    store.close().await;
    assert_eq!(examined(sound.path()).await, []);
    for (damage, says) in [
        ("UPDATE claim SET jobs=x'80' WHERE scope=3", "a batch, \"r\", stands for jobs that cannot be read"),
        ("UPDATE claim SET jobs=NULL WHERE scope=3", "a batch, \"r\", stands for jobs that cannot be read"),
        ("UPDATE claim SET jobs=x'02' WHERE scope=3", "a batch, \"r\", stands for a job that it does not name"),
        // One more, of a number that nobody ever had.
        ("UPDATE claim SET jobs=CAST(jobs || x'7e' AS BLOB) WHERE scope=3", "and never were forgotten"),
        (
            "UPDATE claim SET no=no+63 WHERE scope=3",
            "a batch, \"r\", stands for a job that is neither here nor remembered",
        ),
        ("UPDATE claim SET queue=1 WHERE scope=3", "a batch, \"r\", stands for a job of another queue"),
        ("UPDATE claim SET jobs=x'02' WHERE scope=1", "a key, \"k\", stands for jobs of a batch"),
    ] {
        let hurt = tempfile::tempdir().unwrap();
        copy(sound.path(), hurt.path());
        let db = rusqlite::Connection::open(hurt.path().join("raincheck.db")).unwrap();
        assert_eq!(db.execute(damage, []).unwrap(), 1, "{damage}");
        drop(db);
        let found = examined(hurt.path()).await;
        let is_it = |it: &raincheck_store::Finding| it.invariant == Invariant::Claims && it.detail.contains(says);
        assert!(found.iter().any(is_it), "{damage}: {found:?}");
    }
}

/// The jobs are gone, the name that stands for them is not.
#[tokio::test]
async fn a_doctor_on_postgresql_finds_jobs_of_a_batch_that_are_lost() {
    for damage in [
        "DELETE FROM job WHERE no = (SELECT min(no) FROM job)",
        // One more, of a number that nobody ever had.
        "UPDATE claim SET jobs = jobs || '\\x7e' WHERE scope = 3",
    ] {
        let base = Base::new();
        let options = PostgresOptions::at(base.database.url(), &base.folder.path().join("blobs"));
        let store = PostgresStore::open(options.clone()).await.unwrap();
        submit_batch(&*store).await;
        store.close().await;
        let lost = async || {
            let found = findings(PostgresDoctor::open(&options, false).await.unwrap()).await;
            let says = "a batch, \"r\", stands for jobs that are neither here nor remembered, and never were forgotten";
            let is_it = |one: &raincheck_store::Finding| one.invariant == Invariant::Claims && &*one.detail == says;
            found.iter().filter(|one| is_it(one)).count()
        };
        assert_eq!(lost().await, 0);
        base.database.run(damage).unwrap();
        assert_eq!(lost().await, 1, "{damage}");
    }
}
