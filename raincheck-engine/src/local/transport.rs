use std::convert::Infallible;
use std::time::Duration;

use raincheck_core::{LeaseRef, Millis, Name, Outcome, Pattern};
use raincheck_store::{Renewed, StoreError};
use raincheck_worker::{Answer, Ask, Backoff, Beat, Transport, TransportError, Verdict};

use crate::{Beat as EngineBeat, Engine, Finish, LeaseError, LeaseRequest, Leased, WorkerId};

/// The way to the engine within its process: a call.
pub(super) struct InProcess {
    pub(super) engine: Engine,
    pub(super) worker: WorkerId,
    /// See [`LeaseRequest::queues`].
    pub(super) queues: Vec<Name>,
    /// See [`LeaseRequest::kinds`].
    pub(super) kinds: Vec<Name>,
    /// See [`LeaseRequest::patterns`].
    pub(super) patterns: Vec<Pattern>,
    /// See [`LeaseRequest::ttl`].
    pub(super) ttl: Millis,
}

impl Transport for InProcess {
    type Lease = Leased;
    type Key = LeaseRef;
    /// A function tells the engine itself, and hears at once whether it should go on.
    type Progress = Infallible;
    type End = (LeaseRef, Outcome);
    type Error = LeaseError;

    const WATCH_AGE: Duration = Duration::from_millis(50);

    fn key(leased: &Leased) -> LeaseRef {
        leased.job.lease_ref()
    }

    fn beats_every(leased: &Leased) -> Duration {
        Duration::from_millis(leased.heartbeat.max(1) as u64)
    }

    fn given_back(lease: LeaseRef, delay: Option<Duration>) -> (LeaseRef, Outcome) {
        (lease, Outcome::Release { delay: delay.map_or(0, millis) })
    }

    /// Nothing is copied.
    fn end_bytes(_: &(LeaseRef, Outcome)) -> usize {
        0
    }

    fn progress_bytes(progress: &Infallible) -> usize {
        match *progress {}
    }

    async fn lease(&self, ask: &Ask<(LeaseRef, Outcome)>) -> Result<Answer<Self>, LeaseError> {
        let request = LeaseRequest {
            worker: WorkerId { trouble: ask.trouble.as_deref().map(Box::from), ..self.worker.clone() },
            queues: self.queues.clone(),
            kinds: self.kinds.clone(),
            patterns: self.patterns.clone(),
            max: ask.max,
            wait: ask.wait.map_or(0, millis),
            ttl: self.ttl,
            // No answer gets lost on the way: one that is not waited for is given back.
            request_id: None,
            finish: ask.ends.clone(),
        };
        let answer = self.engine.lease(request).await?;
        answer.finished.iter().for_each(|finish| self.note(finish));
        Ok(Answer { leases: answer.leases, refused: Vec::new(), drain: answer.drain })
    }

    async fn leased_in_vain(&self, _: Ask<(LeaseRef, Outcome)>) -> Vec<Leased> {
        Vec::new()
    }

    async fn heartbeat(
        &self,
        beats: &[Beat<Self>],
        wait: Option<Duration>,
    ) -> Result<Vec<(LeaseRef, Verdict)>, LeaseError> {
        let leases = beats.iter().map(|beat| beat.key);
        let beats = leases.clone().map(|lease| EngineBeat { lease, ttl: None, progress: None }).collect();
        let renewed = self.engine.heartbeat(beats, wait.map_or(0, millis)).await?;
        Ok(leases.zip(renewed.into_iter().map(verdict)).collect())
    }

    async fn settle(&self, (lease, outcome): (LeaseRef, Outcome)) {
        let mut backoff = Backoff::default();
        loop {
            match self.engine.settle(lease, outcome.clone()).await.map_err(LeaseError::from) {
                Ok(finish) => return self.note(&finish),
                Err(error) if error.is_transient() => backoff.pause(&error).await,
                Err(error) => return tracing::error!(%error, "the end of a run was not taken; its lease will expire"),
            }
        }
    }
}

impl InProcess {
    fn note(&self, finish: &Finish) {
        if let Finish::LeaseLost(job) = finish {
            tracing::info!(job = %job.id, worker = %self.worker.name, "the end of a run came too late");
        }
    }
}

impl TransportError for LeaseError {
    fn is_transient(&self) -> bool {
        !matches!(self, LeaseError::Store(StoreError::Stopped(_)))
    }
}

fn verdict(renewed: Renewed) -> Verdict {
    match renewed {
        Renewed::Extended { cancel_requested: true, .. } => Verdict::Cancel,
        Renewed::Extended { .. } => Verdict::GoOn,
        Renewed::TooLong => Verdict::Refused,
        Renewed::Lost => Verdict::Lost,
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
