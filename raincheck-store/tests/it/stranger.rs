//! Somebody else in the database: a transaction that holds back every cleanup, and the sizes of tables.

use raincheck_core::Command;
use raincheck_store::conformance::new_job;
use raincheck_store::{PostgresOptions, PostgresStore, Store, Stranger};

use crate::postgres::Base;

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_holds_back_the_cleanup_until_the_rollback() {
    let place = Base::new();
    let options = PostgresOptions::at(place.database.url(), &place.folder.path().join("blobs"));
    let store = PostgresStore::open(options.clone()).await.expect("a node");
    store.apply(vec![Command::Submit(vec![new_job(); 1_000])]).await.expect("jobs");
    // Its own transactions are none of those that are looked at here.
    store.close().await;

    let stranger = Stranger::open(&options).await.expect("a connection");
    stranger.roll_back().await.expect_err("nothing is open");
    let held = || {
        let held = "SELECT count(*) FROM pg_stat_activity \
            WHERE datname=current_database() AND backend_xid IS NOT NULL AND backend_xmin IS NOT NULL AND state='idle in transaction'";
        place.database.run(held).expect("a look").parse::<u32>().expect("a number")
    };
    assert_eq!(held(), 0);
    stranger.hold().await.expect("a transaction");
    assert_eq!(held(), 1);
    // What was there when it began cannot be cleaned up.
    place.database.run("UPDATE job SET ttl = ttl + 1").expect("dead rows");
    let vacuum = || place.database.run("VACUUM job").expect("a vacuum");
    vacuum();
    let dead = "SELECT pg_stat_get_dead_tuples('job'::regclass)";
    assert_eq!(place.database.run(dead).expect("a look"), "1000");
    stranger.roll_back().await.expect("it was open");
    assert_eq!(held(), 0);
    vacuum();
    assert_eq!(place.database.run(dead).expect("a look"), "0");

    let tables = stranger.tables().await.expect("sizes");
    let of =
        |name: &str| tables.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("{name}: {tables:?}"));
    assert_eq!((of("job").live, of("job").dead), (1_000, 0));
    // Their rows are all in partitions.
    assert!(of("event").bytes > 100_000 && of("spec").bytes > 50_000, "{tables:?}");
    assert!(tables.iter().all(|table| !table.name.starts_with("event_")), "{tables:?}");
}
