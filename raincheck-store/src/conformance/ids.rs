//! Public ids: minted by the store, or chosen by the client.

use raincheck_core::{Command, JobId, NewJob, Refusal, Reply, Submitted};
use uuid::Uuid;

use super::{World, digest, new_job};
use crate::Found;

fn chosen(id: u128, content: &str) -> NewJob {
    NewJob { id: Some(JobId(Uuid::from_u128(id))), fingerprint: digest(content), ..new_job() }
}

const RANDOM: u128 = 0x9f1c_2c3d_4e5f_4a6b_8c7d_1234_5678_9abc;

/// A job is found under the id its client chose.
pub async fn chosen_id_finds_its_job(world: &mut World) {
    let job = world.create(chosen(RANDOM, "x")).await;
    assert_eq!(job.id.0.as_u128(), RANDOM);
    assert_eq!(world.found(&job).await.job, job);
    world.restart().await;
    assert_eq!(world.found(&job).await.job, job);
}

/// The same id and content again are the same job.
pub async fn chosen_id_again_is_the_same_job(world: &mut World) {
    let job = world.create(chosen(RANDOM, "x")).await;
    assert_eq!(world.submit(chosen(RANDOM, "x")).await, Submitted::Existing(job.clone()));
    let elsewhere = NewJob { queue: super::name("elsewhere"), ..chosen(RANDOM, "x") };
    assert_eq!(world.submit(elsewhere).await, Submitted::Existing(job), "ids are not scoped");
}

/// The same id with other content is refused.
pub async fn chosen_id_of_other_content_conflicts(world: &mut World) {
    let job = world.create(chosen(RANDOM, "x")).await;
    assert_eq!(world.refused(chosen(RANDOM, "y")).await, Refusal::IdConflict(job.id));
}

/// The id of a purged job answers so, until its tombstone is dropped.
pub async fn chosen_id_of_a_purged_job(world: &mut World) {
    let job = world.create(chosen(RANDOM, "x")).await;
    world.cancel(job.no).await;
    assert!(matches!(world.one(Command::Purge(job.no)).await, Reply::Purged(_)));
    assert_eq!(world.store.job(job.id).await.unwrap(), Found::Purged(job.no));
    assert_eq!(world.store.job_row(job.id).await.unwrap(), Found::Purged(job.no));
    assert_eq!(world.refused(chosen(RANDOM, "x")).await, Refusal::Purged(job.id));
    world.clock.advance(world.setup.tombstone);
    world.sweep(Command::DropTombstones(1)).await;
    assert_eq!(world.store.job(job.id).await.unwrap(), Found::Unknown);
    world.create(chosen(RANDOM, "x")).await;
}

/// Both names mean one job: a new key is attached, one that stands for another job is refused, and nothing breaks where
/// the job stands in another queue than the key.
pub async fn a_key_beside_a_chosen_id_means_the_same_job(world: &mut World) {
    let keyed = |mut new: NewJob| {
        new.spec.key = Some("key".into());
        new
    };
    let job = world.create(chosen(RANDOM, "x")).await;
    let other = NewJob { queue: super::name("elsewhere"), ..chosen(RANDOM + 1, "x") };
    let other = world.create(keyed(other)).await;
    let elsewhere = NewJob { queue: super::name("elsewhere"), ..chosen(RANDOM, "x") };
    assert_eq!(world.refused(keyed(elsewhere)).await, Refusal::KeyReused(other.id));
    assert_eq!(world.submit(keyed(chosen(RANDOM, "x"))).await, Submitted::Existing(job.clone()));
    let third = NewJob { queue: super::name("third"), ..chosen(RANDOM, "x") };
    assert_eq!(world.submit(keyed(third)).await, Submitted::Existing(job.clone()));
    let by_key = keyed(NewJob { fingerprint: digest("x"), ..new_job() });
    assert_eq!(world.submit(by_key.clone()).await, Submitted::Replayed(job.clone()));
    let another = NewJob { id: Some(JobId(Uuid::from_u128(RANDOM + 2))), ..by_key };
    assert_eq!(world.refused(another).await, Refusal::KeyReused(job.id));
}

/// An id the store made belongs to its job: no client can put another job under it.
pub async fn a_minted_id_cannot_be_chosen(world: &mut World) {
    let job = world.create(NewJob { fingerprint: digest("x"), ..new_job() }).await;
    for content in ["x", "y"] {
        assert_eq!(world.refused(chosen(job.id.0.as_u128(), content)).await, Refusal::IdConflict(job.id));
    }
    world.cancel(job.no).await;
    world.one(Command::Purge(job.no)).await;
    assert_eq!(world.refused(chosen(job.id.0.as_u128(), "x")).await, Refusal::Purged(job.id));
}

/// Ids nobody knows, also those that look like one of ours.
pub async fn unknown_ids_are_unknown(world: &mut World) {
    let job = world.create(new_job()).await;
    let (no, random_bits) = job.id.parts().unwrap();
    let near =
        [JobId::from_parts(no, random_bits ^ 1), JobId::from_parts(raincheck_core::JobNo(no.0 + 1), random_bits)];
    for id in near.into_iter().chain([JobId(Uuid::from_u128(RANDOM)), JobId(Uuid::nil())]) {
        assert_eq!(world.store.job(id).await.unwrap(), Found::Unknown, "{id}");
        assert_eq!(world.store.job_row(id).await.unwrap(), Found::Unknown, "{id}");
    }
    assert_eq!(world.store.record(raincheck_core::JobNo(7)).await.unwrap(), None);
}

/// A chosen id in the shape of a minted one, even one whose number is another job's, finds its own job.
pub async fn a_chosen_version_7_id_is_still_chosen(world: &mut World) {
    let first = world.create(new_job()).await;
    let (no, random_bits) = first.id.parts().unwrap();
    let near = JobId::from_parts(no, random_bits ^ 1);
    let second = world.create(chosen(near.0.as_u128(), "x")).await;
    assert_eq!(world.found(&first).await.job, first);
    assert_eq!(world.found(&second).await.job, second);
    world.cancel(first.no).await;
    world.one(Command::Purge(first.no)).await;
    assert_eq!(world.store.job(first.id).await.unwrap(), Found::Purged(first.no));
    assert_eq!(world.found(&second).await.job, second);
}
