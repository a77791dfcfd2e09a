//! Data that is moved from SQLite to PostgreSQL while nobody serves it goes on there as if nothing had happened: what holds
//! across a restart holds across the move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use raincheck_core::{NewJob, Payload};
use raincheck_store::conformance::{self, Place, Setup, World, complete, content, digest, new_job, prove};
use raincheck_store::{Store, StoreError, migrate};

use crate::folder::Folder;
use crate::postgres::Base;

/// A folder at first, a database from the second opening on.
struct Moving {
    folder: Folder,
    base: Base,
    opened: AtomicBool,
    moved: AtomicBool,
}

impl Moving {
    fn new() -> Self {
        let (opened, moved) = (AtomicBool::new(false), AtomicBool::new(false));
        Moving { folder: Folder::new(), base: Base::new(), opened, moved }
    }
}

#[async_trait]
impl Place for Moving {
    async fn open(&self, setup: &Setup) -> Result<Arc<dyn Store>, StoreError> {
        if !self.opened.swap(true, Ordering::Relaxed) {
            return self.folder.open(setup).await;
        }
        if !self.moved.swap(true, Ordering::Relaxed) {
            migrate(self.folder.options(setup), self.base.options(setup), |_, _| ()).await?;
        }
        self.base.open(setup).await
    }
}

macro_rules! across {
    ($($behaviour:ident in $group:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                prove(Moving::new, conformance::$group::$behaviour).await;
            }
        )*
    };
}

across! {
    everything_is_there in restart
    leases_get_their_full_length_again in restart
    numbers_grow_though_the_clock_steps_back in restart
    due_times_are_known_again in restart
    secret_and_settings_stay in restart
    closed_takes_nothing in restart
    outlive_a_restart in objects
    again_are_the_same_jobs in batches
    five_worlds_from_0 in model
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_files_texts_and_cursors_mean_what_they_meant() {
    prove(Moving::new, async |world: &mut World| {
        let strange = "zero \0, one \u{1}, one zero \u{1}0";
        let mut keyed = NewJob { fingerprint: digest("keyed"), ..new_job() };
        keyed.spec.key = Some("key".into());
        keyed.spec.label = Some(strange.into());
        let mut file = new_job();
        let mut writer = world.store.blobs().create().unwrap();
        writer.write(&[7; 100_000]).unwrap();
        let (size, name) = (writer.size(), writer.finish().unwrap());
        file.spec.input.payload = Payload::Blob { name, size };
        let keyed_job = world.create(keyed.clone()).await;
        let lease = world.run_one().await;
        world.end(lease, complete("\"done\"")).await;
        let mut small = new_job();
        small.spec.input = content("[1]");
        let jobs = [keyed_job.clone(), world.create(file).await, world.create(small).await];
        let feed = world.store.events(Default::default(), &Default::default(), 1_000).await.unwrap();
        let mut records = Vec::new();
        for job in &jobs {
            records.push((world.record(job.no).await, world.store.input(job.no).await.unwrap()));
        }
        let (stats, secret) = (world.store.stats().await.unwrap(), world.store.secret());

        world.restart().await;

        assert_eq!(world.store.secret(), secret);
        assert_eq!(format!("{:?}", world.store.stats().await.unwrap()), format!("{stats:?}"));
        for (job, (record, input)) in jobs.iter().zip(&records) {
            assert_eq!(&world.found(job).await, record);
            let again = world.store.input(job.no).await.unwrap();
            assert_eq!(&again, input);
            if let Some(Payload::Blob { name, size }) = again.map(|input| input.payload) {
                assert_eq!(world.store.blobs().bytes(&name, size).await.unwrap(), vec![7; 100_000]);
            }
        }
        assert_eq!(records[0].0.spec.label.as_deref(), Some(strange));
        let again = world.store.events(Default::default(), &Default::default(), 1_000).await.unwrap();
        assert_eq!(again.items, feed.items);
        assert_eq!(world.submit(keyed).await.job().id, keyed_job.id);
        world.create(new_job()).await;
        let newer = world.store.events(feed.read_to, &Default::default(), 1_000).await.unwrap();
        assert_eq!(newer.items.len(), 1, "what comes now lies behind what was read: {newer:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_moved_onto_jobs_or_from_under_a_server() {
    prove(Folder::new, async |world: &mut World| {
        world.create(new_job()).await;
        let (folder, base) = (Folder::new(), Base::new());
        let store = folder.open(&world.setup).await.unwrap();
        let go = async || migrate(folder.options(&world.setup), base.options(&world.setup), |_, _| ()).await;
        assert!(matches!(go().await, Err(StoreError::InUse(_))), "a server has it");
        store.apply(vec![raincheck_core::Command::Submit(vec![new_job()])]).await.unwrap();
        store.close().await;
        let moved = go().await.unwrap();
        assert_eq!((moved.jobs, moved.events, moved.files), (1, 1, 0));
        let twice = go().await.unwrap_err().to_string();
        assert!(twice.contains("holds jobs already"), "{twice}");
        assert!(
            migrate(Folder::new().options(&world.setup), Base::new().options(&world.setup), |_, _| ()).await.is_err()
        );
    })
    .await;
}
