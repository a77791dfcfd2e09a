//! A run whose result is on its way in: what arrives is a sign of life, so that its lease does not end over a slow line.

use std::pin::pin;
use std::time::Duration;

use raincheck_core::{Job, LeaseRef, Millis, State, limits};
use raincheck_engine::{Beat, Engine};
use raincheck_store::Renewed;
use tokio::time::Instant;

use super::ask::Ask;
use super::failed;
use super::problem::Problem;

/// The run, and when its lease is to be renewed next.
pub struct Arriving<'a> {
    ask: &'a Ask,
    lease: LeaseRef,
    due: Instant,
    /// A third of the lease's length, once that is known; until then, of the shortest.
    every: Duration,
    /// It has succeeded: a completion that is repeated, and compared when it is whole.
    is_over: bool,
}

impl<'a> Arriving<'a> {
    /// Nothing is asked yet: most results are there at once.
    pub fn new(ask: &'a Ask, lease: LeaseRef) -> Self {
        let every = third(limits::TTL_LEAST_MILLIS);
        Arriving { ask, lease, due: Instant::now() + every, every, is_over: false }
    }

    /// Renews the lease, if that was not done just now.
    ///
    /// # Errors
    /// When the lease is over.
    pub async fn heard(&mut self) -> Result<(), Problem> {
        if Instant::now() < self.due { Ok(()) } else { self.renew().await }
    }

    /// Renews the lease now.
    ///
    /// # Errors
    /// When the lease is over.
    pub async fn renew(&mut self) -> Result<(), Problem> {
        if self.is_over {
            return Ok(());
        }
        match beat(self.ask.engine(), self.lease).await {
            Some(Renewed::Extended { ttl, .. }) => self.every = third(ttl),
            Some(Renewed::TooLong | Renewed::Lost) => self.over().await?,
            None => {}
        }
        self.due = Instant::now() + self.every;
        Ok(())
    }

    /// Waits for `work` with the lease held meanwhile: that it takes long is not the worker's fault.
    pub async fn while_kept<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                // Whoever settles it is told when it is over.
                () = tokio::time::sleep(self.every) => drop(beat(self.ask.engine(), self.lease).await),
            }
        }
    }

    async fn over(&mut self) -> Result<(), Problem> {
        let record = self.ask.engine().record(self.lease.no).await?;
        let is_same = |job: &Job| job.state == State::Succeeded && job.attempt == self.lease.attempt;
        if record.is_some_and(|record| is_same(&record.job)) {
            self.is_over = true;
            return Ok(());
        }
        Err(self.ask.lease_lost(self.lease).await?)
    }
}

fn third(ttl: Millis) -> Duration {
    Duration::from_millis(u64::try_from(ttl / 3).unwrap_or(0).max(1))
}

/// What became of the lease; `None` where the store does not say: that is no reason to throw away what came.
async fn beat(engine: &Engine, lease: LeaseRef) -> Option<Renewed> {
    match engine.heartbeat(vec![Beat { lease, ttl: None, progress: None }], 0).await {
        Ok(answers) => answers.into_iter().next(),
        Err(error) => {
            failed::say("a lease is not renewed while its result arrives", &error);
            None
        }
    }
}
