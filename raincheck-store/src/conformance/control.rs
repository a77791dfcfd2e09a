//! Calling off, running now.

use raincheck_core::{Cancel, Clock as _, Command, FailureCode, JobNo, LeaseRef, NewJob, Progress, Reply, State};

use super::{World, complete, new_job};
use crate::{Renewal, Renewed};

/// A waiting job is canceled at once.
pub async fn cancel_waiting(world: &mut World) {
    let job = world.create(new_job()).await;
    let Reply::Job(job) = world.cancel(job.no).await else { panic!("not canceled") };
    assert_eq!((job.state, job.seq, job.attempt), (State::Canceled, 2, 0));
    assert_eq!(job.expires_at, job.finished_at.map(|at| at.plus(job.retention.failed)));
    let record = world.record(job.no).await;
    assert_eq!(record.failure.unwrap().code, FailureCode::Canceled);
    assert_eq!(record.job, job);
    assert!(world.lease(9).await.is_empty());
}

/// So is one that waits for its time, and it is not due after.
pub async fn cancel_scheduled(world: &mut World) {
    let job = world.create(NewJob { delay: 1_000, ..new_job() }).await;
    assert!(matches!(world.cancel(job.no).await, Reply::Job(job) if job.state == State::Canceled));
    world.clock.advance(1_000);
    assert_eq!(world.sweep(Command::Promote(9)).await, 0);
    // One whose look was slow may want to look again, later.
    let now = world.clock.now();
    assert!(world.store.next_due().is_none_or(|at| at > now), "{:?}", world.store.next_due());
}

/// A running job is asked to stop; its worker hears of it, also after a restart.
pub async fn cancel_running_asks(world: &mut World) {
    let lease = world.running(new_job()).await;
    let Reply::Job(job) = world.cancel(lease.no).await else { panic!("not asked") };
    assert_eq!((job.state, job.cancel_requested, job.seq), (State::Running, true, 3));
    let extended = [Renewed::Extended { ttl: 10_000, cancel_requested: true }];
    assert_eq!(world.store.renew(vec![Renewal { lease, ttl: None }]).await.unwrap(), extended);
    world.restart().await;
    assert_eq!(world.store.renew(vec![Renewal { lease, ttl: None }]).await.unwrap(), extended);
    assert_eq!(world.story(lease.no).await, "created started cancel_requested");
}

/// Asking again changes nothing; what is done stays done.
pub async fn cancel_again_and_after_the_end(world: &mut World) {
    let lease = world.running(new_job()).await;
    let first = world.cancel(lease.no).await;
    assert_eq!(world.cancel(lease.no).await, first);
    let done = world.end(lease, complete("1")).await;
    assert_eq!(world.cancel(lease.no).await, Reply::Finished(done));
    let other = world.create(new_job()).await;
    let first = world.cancel(other.no).await;
    assert_eq!(world.cancel(other.no).await, first);
    assert_eq!(world.published().len(), 6);
}

/// A job that waits for its time is due at once.
pub async fn run_now_makes_due(world: &mut World) {
    let job = world.create(NewJob { delay: 86_400_000, ..new_job() }).await;
    assert_eq!(job.state, State::Scheduled);
    world.clock.advance(5);
    let Reply::Job(job) = world.one(Command::RunNow(job.no, None)).await else { panic!("not due") };
    assert_eq!((job.state, job.run_at), (State::Queued, job.created_at.plus(5)));
    assert_eq!(world.story(job.no).await, "created queued");
    world.run_one().await;
}

/// Any other job does not wait for a time.
pub async fn run_now_of_others(world: &mut World) {
    let job = world.create(new_job()).await;
    assert!(matches!(world.one(Command::RunNow(job.no, None)).await, Reply::NotWaiting(_)));
    let lease = world.run_one().await;
    assert!(matches!(world.one(Command::RunNow(job.no, None)).await, Reply::NotWaiting(_)));
    world.end(lease, complete("1")).await;
    assert!(matches!(world.one(Command::RunNow(job.no, None)).await, Reply::NotWaiting(_)));
    assert_eq!(world.published().len(), 3);
}

/// A change that is meant for a job as it was does nothing to it as it is.
pub async fn of_another_number_nothing_changes(world: &mut World) {
    let job = world.create(NewJob { delay: 86_400_000, ..new_job() }).await;
    let run_now = |seq| Command::RunNow(job.no, Some(seq));
    let cancel = |seq| Command::Cancel(Cancel { no: job.no, force: true, seq: Some(seq) });
    for other in [0, job.seq + 1] {
        assert_eq!(world.one(run_now(other)).await, Reply::OtherVersion(None));
        assert_eq!(world.one(cancel(other)).await, Reply::OtherVersion(None));
    }
    assert_eq!(world.story(job.no).await, "created");
    let Reply::Job(due) = world.one(run_now(job.seq)).await else { panic!("not due") };
    assert_eq!(world.one(cancel(job.seq)).await, Reply::OtherVersion(None));
    assert!(matches!(world.one(cancel(due.seq)).await, Reply::Job(job) if job.state == State::Canceled));
    assert_eq!(world.story(job.no).await, "created queued canceled");
}

/// Every verb on a job that is not there says so.
pub async fn unknown_jobs_are_gone(world: &mut World) {
    let no = JobNo(7);
    assert_eq!(world.cancel(no).await, Reply::Gone);
    assert_eq!(world.one(Command::RunNow(no, None)).await, Reply::Gone);
    assert_eq!(world.one(Command::Purge(no)).await, Reply::Gone);
    let lease = LeaseRef { no, attempt: 1 };
    assert_eq!(world.one(Command::Progress(lease, Progress::default())).await, Reply::Gone);
    assert_eq!(world.store.renew(vec![Renewal { lease, ttl: None }]).await.unwrap(), [Renewed::Lost]);
    assert_eq!(world.store.input(no).await.unwrap(), None);
    assert_eq!(world.store.result(no).await.unwrap(), None);
    assert_eq!(world.store.job_events(no, 0, 9).await.unwrap(), []);
}
