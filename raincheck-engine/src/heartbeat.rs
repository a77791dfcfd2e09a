use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use raincheck_core::{Command, EventData, LeaseRef, Millis, Progress, State, limits};
use raincheck_store::{Renewal, Renewed, StoreError};
use tokio::time::{Instant, sleep, timeout_at};

use crate::Engine;
use crate::hub::Watch;
use crate::replies::{self, Extension};

/// While the engine drains, heartbeats wait no longer than this: nothing is held up by them, and whoever sends the next one at
/// once, as it should, does not go round in a tight circle.
const DRAINING_WAIT: Duration = Duration::from_millis(500);

/// A sign of life from a run.
#[derive(Clone, Debug)]
pub struct Beat {
    /// The run: its job and attempt, read from the lease of the request.
    pub lease: LeaseRef,
    /// New length of its lease, milliseconds, kept within the limits; `None` keeps it. Longer than what it was taken with is
    /// a hand-over: on disk before the answer, and refused beyond the time limit of the run.
    pub ttl: Option<Millis>,
    /// How far it has come.
    pub progress: Option<Progress>,
}

impl Engine {
    /// Extends leases and takes reports; answers each beat. Of the reports of a run at most five a second are kept,
    /// the latest wins. With a `wait` (milliseconds) the answer comes at its end, or as soon as any of the runs is
    /// asked to stop or is over, and says what is left of the leases then: only what a worker sends extends them, for it
    /// may be gone by the end of the wait. The wait is cut to half of the shortest lease, so that there is time for the
    /// next beat.
    pub async fn heartbeat(&self, beats: Vec<Beat>, wait: Millis) -> Result<Vec<Renewed>, StoreError> {
        self.heartbeat_while(beats, wait, std::future::pending()).await
    }

    /// As [`Engine::heartbeat`]; the wait is over when `left` resolves, too.
    pub async fn heartbeat_while(
        &self,
        beats: Vec<Beat>,
        wait: Millis,
        left: impl Future<Output = ()>,
    ) -> Result<Vec<Renewed>, StoreError> {
        let renewals = beats.iter().map(renewal).collect();
        // With very many waiting already the answer comes at once: it may always come early.
        let place = u32::try_from(beats.len()).ok().filter(|_| wait > 0);
        let place = place.and_then(|runs| self.0.beats.try_acquire_many(runs).ok());
        let waits = place.is_some();
        // Registered before the leases are looked at: what happens later is heard of.
        let watches: Vec<(LeaseRef, Watch)> =
            beats.iter().filter(|_| waits).map(|beat| (beat.lease, self.0.hub.watch(beat.lease.no))).collect();
        let mut answers = self.0.store.renew(renewals).await?;
        self.take_reports(beats, &mut answers).await?;
        if !waits || answers.is_empty() || answers.iter().any(calls_back) {
            return Ok(answers);
        }
        let shortest = answers.iter().filter_map(ttl).min().unwrap_or(limits::TTL_LEAST_MILLIS);
        let wait = wait.min(self.0.settings.wait_most).min(shortest / 2);
        let deadline = Instant::now() + Duration::from_millis(wait as u64);
        let leases = watches.iter().map(|(lease, _)| *lease).collect();
        let changes = watches.into_iter().map(|(lease, watch)| over(lease, watch));
        tokio::select! {
            _ = timeout_at(deadline, any(changes.collect())) => {}
            () = self.draining_for(DRAINING_WAIT) => {}
            () = left => {}
        }
        self.0.store.leases(leases).await
    }

    /// Resolves so long after it was asked and draining began.
    async fn draining_for(&self, time: Duration) {
        self.0.draining.cancelled().await;
        sleep(time).await;
    }

    async fn take_reports(&self, beats: Vec<Beat>, answers: &mut [Renewed]) -> Result<(), StoreError> {
        let (mut commands, mut longer) = (Vec::new(), Vec::new());
        for (beat, answer) in beats.into_iter().zip(answers) {
            let Renewed::Extended { ttl, .. } = answer else { continue };
            self.saw_run(beat.lease);
            if let Some(asked) = renewal(&beat).ttl.filter(|asked| *asked > *ttl) {
                longer.push((commands.len(), beat.lease, answer));
                commands.push(Command::Extend(beat.lease, asked));
            }
            if let Some(report) = beat.progress
                && let Some(report) = self.0.reports.offer(beat.lease, report, Instant::now())
            {
                commands.push(Command::Progress(beat.lease, report));
            }
        }
        if commands.is_empty() {
            return Ok(());
        }
        let replies = self.0.store.apply(commands).await?;
        let mut replies = replies.into_iter().enumerate();
        for (at, lease, answer) in longer {
            let reply = replies.find(|(index, _)| *index == at).map(|(_, reply)| replies::extend(reply));
            match (reply.transpose()?.flatten(), &mut *answer) {
                (Some(Extension::Lasts(length)), Renewed::Extended { ttl, .. }) => {
                    *ttl = length;
                    self.0.workers.hand_over(lease.no);
                    self.0.drained.notify_one();
                }
                (Some(Extension::TooLong), _) => *answer = Renewed::TooLong,
                (Some(Extension::Lasts(_)) | None, _) => *answer = Renewed::Lost,
            }
        }
        Ok(())
    }

    /// The worker of this run is alive.
    pub(crate) fn saw_run(&self, run: LeaseRef) {
        let (store, workers) = (self.store(), &self.0.workers);
        if let Some(worker) = store.worker(run)
            && workers.saw_run(run.no, &worker, self.0.clock.ticks(), self.now())
            && store.worker(run).is_none()
        {
            // It ended meanwhile, and that may have been published before it was known of.
            workers.run_over(run.no);
        }
    }
}

fn renewal(beat: &Beat) -> Renewal {
    let ttl = beat.ttl.map(|ttl| ttl.clamp(limits::TTL_LEAST_MILLIS, limits::TTL_MOST_MILLIS));
    Renewal { lease: beat.lease, ttl }
}

fn ttl(answer: &Renewed) -> Option<Millis> {
    match answer {
        Renewed::Extended { ttl, .. } => Some(*ttl),
        Renewed::TooLong | Renewed::Lost => None,
    }
}

/// Whether the worker should hear this answer at once.
fn calls_back(answer: &Renewed) -> bool {
    matches!(answer, Renewed::Lost | Renewed::TooLong | Renewed::Extended { cancel_requested: true, .. })
}

/// Resolves when the run is over or asked to stop, or may be.
async fn over(run: LeaseRef, mut watch: Watch) {
    loop {
        match watch.next().await {
            Ok(event) => {
                let asked = matches!(event.data, EventData::CancelRequested);
                if event.attempt > run.attempt
                    || event.attempt == run.attempt && (asked || event.state != State::Running)
                {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// Resolves with the first of many.
async fn any(futures: Vec<impl Future<Output = ()>>) {
    let mut futures: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|cx| {
        let ready = futures.iter_mut().any(|future| future.as_mut().poll(cx).is_ready());
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
