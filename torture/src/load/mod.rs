//! The load: clients that submit, workers, readers, all drawn from one seed, all outliving the server.

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

use crate::http::{Answer, Http, Place};
use crate::log::Log;

/// How far a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Phase {
    /// Everything is sent.
    Load,
    /// Nothing new is sent; what was sent is brought to its end.
    Drain,
    /// All is done.
    Over,
}

/// How much of what.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Clients that submit, one request at a time each.
    pub submitters: u64,
    /// Workers.
    pub workers: u64,
    /// Readers of the whole feed.
    pub feed_readers: u64,
    /// Readers of single jobs.
    pub job_readers: u64,
    /// Clients that cancel.
    pub cancelers: u64,
    /// Of a thousand submits, how many are 300 KB that are kept in a file.
    pub files: u32,
    /// Whether a submit that a server is not there for now is sent again until it is answered, as the API asks for.
    pub patient: bool,
    /// Whether the database is away for longer than callers are kept waiting: looks may be answered 503 then.
    pub stalls: bool,
}

impl Default for Mix {
    fn default() -> Self {
        let (submitters, workers, feed_readers, job_readers, cancelers, files) = (12, 4, 2, 2, 1, 20);
        Self { submitters, workers, feed_readers, job_readers, cancelers, files, patient: false, stalls: false }
    }
}

/// What every actor has.
struct Actor {
    http: Http,
    log: Arc<Log>,
    phase: watch::Receiver<Phase>,
    rng: StdRng,
    mix: Mix,
    /// Which of its sort.
    number: u64,
}

impl Actor {
    fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Whether a look was turned away because the database is not there for now.
    fn is_turned_away(&self, answer: &Answer) -> bool {
        self.mix.stalls && answer.status == 503
    }
}

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
