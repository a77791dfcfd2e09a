//! The load: clients that submit, workers, readers, all drawn from one seed, all outliving the server.

mod actor;
mod cancel;
mod read;
mod submit;
mod work;

use std::sync::Arc;

use anyhow::Result;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::http::{Http, Place};
use crate::log::Log;

pub use actor::Mix;
use actor::{Actor, Phase};

/// All actors of a round.
pub struct Load {
    submitters: JoinSet<()>,
    others: JoinSet<()>,
    phase: watch::Sender<Phase>,
}

impl Load {
    /// Starts them; they wait while there is no server.
    pub fn start(seed: u64, mix: Mix, place: &Place, log: &Arc<Log>) -> Result<Self> {
        let (phase, _) = watch::channel(Phase::Load);
        let mut load = Self { submitters: JoinSet::new(), others: JoinSet::new(), phase };
        let http = Http::new(place.clone(), log.clone())?;
        let mut numbers = 0;
        let mut actor = |phase: &watch::Sender<Phase>, number| {
            numbers += 1;
            let rng = StdRng::seed_from_u64(seed ^ (numbers << 48));
            Actor { http: http.clone(), log: log.clone(), phase: phase.subscribe(), rng, mix, number }
        };
        for number in 0..mix.submitters {
            load.submitters.spawn(submit::run(actor(&load.phase, number)));
        }
        for number in 0..mix.workers {
            load.others.spawn(work::run(actor(&load.phase, number)));
        }
        for number in 0..mix.feed_readers {
            load.others.spawn(read::feed(actor(&load.phase, number)));
        }
        for number in 0..mix.job_readers {
            load.others.spawn(read::jobs(actor(&load.phase, number)));
        }
        for number in 0..mix.cancelers {
            load.others.spawn(cancel::run(actor(&load.phase, number)));
        }
        Ok(load)
    }

    /// Sends nothing new; returns when every client knows what became of what it sent, as far as it can.
    pub async fn drain(&mut self) -> Result<()> {
        self.phase.send_replace(Phase::Drain);
        while let Some(done) = self.submitters.join_next().await {
            done?;
        }
        Ok(())
    }

    /// Ends the rest.
    pub async fn over(&mut self) -> Result<()> {
        self.phase.send_replace(Phase::Over);
        while let Some(done) = self.others.join_next().await {
            done?;
        }
        Ok(())
    }
}
