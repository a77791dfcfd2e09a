//! What a doctor finds of batches whose names lead astray.

use raincheck_core::{Batch, BatchName, Command, Reply};
use raincheck_store::conformance::{digest, new_job};
use raincheck_store::{Invariant, SqliteStore, Store as _};

use crate::doctor::{copy, examined, options};

#[tokio::test]
async fn a_doctor_finds_where_names_of_batches_lead_astray() {
    let sound = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(options(sound.path())).unwrap();
    let name = BatchName { id: "r".into(), fingerprint: digest("x") };
    let mut jobs = vec![new_job(); 3];
    jobs[0].spec.key = Some("k".into());
    let replies = store.apply(vec![Command::SubmitBatch(Batch { name, jobs })]).await.unwrap();
    assert!(matches!(replies[..], [Reply::Submitted(_)]));
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
