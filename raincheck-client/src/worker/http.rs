//! The way to the server over HTTP.

use std::time::Duration;

use raincheck_worker::{Answer, Ask, Beat, Transport, Verdict};

use super::deliver;
use crate::{
    Client, Error,
    api::{
        Finish, FinishAction, Finished, Heartbeat, HeartbeatAnswer, Lease, LeaseRequest, Problem, Progress,
        WireDuration, WorkerName,
    },
};

/// What a worker tells the server of itself.
pub(super) struct Http {
    pub(super) client: Client,
    pub(super) name: WorkerName,
    /// Those that it serves; empty for all that the token may see.
    pub(super) queues: Vec<String>,
    /// See [`LeaseRequest::kinds`].
    pub(super) kinds: Vec<String>,
    /// See [`LeaseRequest::ttl`].
    pub(super) ttl: Option<Duration>,
}

impl Http {
    fn request(&self, ask: &Ask<Finish>) -> LeaseRequest {
        LeaseRequest {
            worker: WorkerName { trouble: ask.trouble.clone(), ..self.name.clone() },
            queues: self.queues.clone(),
            kinds: self.kinds.clone(),
            max: u32::try_from(ask.max).unwrap_or(u32::MAX),
            wait: ask.wait.map(WireDuration),
            ttl: self.ttl.map(WireDuration),
            request_id: Some(ask.id.to_string()),
            finish: Vec::new(),
        }
    }
}

impl Transport for Http {
    type Lease = Lease;
    type Key = String;
    type Progress = Progress;
    type End = Finish;
    type Error = Error;

    /// To end the watch costs one connection.
    const WATCH_AGE: Duration = Duration::from_millis(500);

    fn key(lease: &Lease) -> String {
        lease.lease.clone()
    }

    fn beats_every(lease: &Lease) -> Duration {
        lease.heartbeat()
    }

    fn given_back(lease: String, delay: Option<Duration>) -> Finish {
        Finish { lease, action: FinishAction::Release { delay: delay.map(WireDuration) } }
    }

    fn end_bytes(finish: &Finish) -> usize {
        match &finish.action {
            FinishAction::Complete { result: Some(result) } => result.get().len(),
            FinishAction::Fail(failure) => failure.error.detail.as_ref().map_or(0, String::len),
            _ => 0,
        }
    }

    fn progress_bytes(progress: &Progress) -> usize {
        progress.bytes()
    }

    async fn lease(&self, ask: &Ask<Finish>) -> Result<Answer<Self>, Error> {
        let answer = self.client.lease_with(&self.request(ask), &ask.ends).await?;
        let refused = |finish: &&Finish| {
            answer.finished.iter().any(|finished| finished.lease == finish.lease && !is_over(finished))
        };
        let refused = ask.ends.iter().filter(refused).cloned().collect();
        Ok(Answer { leases: answer.leases, refused, drain: answer.drain })
    }

    /// The same id returns what it was given; if it was given nothing, that may be one new lease, which is given back like
    /// the rest.
    async fn leased_in_vain(&self, ask: Ask<Finish>) -> Vec<Lease> {
        let again = LeaseRequest { max: 1, wait: None, ..self.request(&ask) };
        match self.client.lease(&again).await {
            Ok(answer) => answer.leases,
            Err(error) => {
                tracing::debug!(%error, "what was leased in vain is not known; it stays leased until it runs out");
                Vec::new()
            }
        }
    }

    async fn heartbeat(&self, beats: &[Beat<Self>], wait: Option<Duration>) -> Result<Vec<(String, Verdict)>, Error> {
        let heartbeat = |Beat { key, progress }: &Beat<Self>| Heartbeat {
            lease: key.clone(),
            progress: progress.clone(),
            ttl: None,
        };
        let beats: Vec<_> = beats.iter().map(heartbeat).collect();
        let answers = self.client.heartbeats(&beats, wait).await?;
        Ok(answers.into_iter().map(|answer| (verdict(&answer), answer)).map(|(said, of)| (of.lease, said)).collect())
    }

    async fn settle(&self, finish: Finish) {
        deliver::deliver(&self.client, finish).await;
    }
}

fn verdict(answer: &HeartbeatAnswer) -> Verdict {
    match &answer.problem {
        Some(problem) if is_lost(problem) => Verdict::Lost,
        _ if answer.cancel_requested => Verdict::Cancel,
        Some(_) => Verdict::Refused,
        None => Verdict::GoOn,
    }
}

/// Whether nothing more is to be done about it: it was taken, or the lease is over.
fn is_over(finished: &Finished) -> bool {
    match &finished.problem {
        None => true,
        Some(problem) if is_lost(problem) => {
            tracing::warn!("a run ended after its lease was lost; its outcome is dropped");
            true
        }
        Some(_) => false,
    }
}

fn is_lost(problem: &Problem) -> bool {
    matches!(problem.slug(), "lease-lost" | "not-found")
}
