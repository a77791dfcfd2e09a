//! Workers: they lease, beat, report and finish; they die, and some come back late and do not know it.

use bytes::Bytes;
use raincheck_core::{Append, ChunkKind, Command, Reply, Settle};
use rand::RngExt;

use super::actors::Run;
use super::network::{Answer, From};
use super::{Sim, ask};
use crate::check::Verdict;

/// Most runs of one worker.
const RUNS: usize = 6;
/// Runs that stopped workers still believe in.
const GHOSTS: usize = 40;

impl Sim {
    pub(super) fn worker_acts(&mut self, who: usize) -> Verdict {
        if self.chance(self.plan.die) {
            self.worker_stops(who);
        }
        if self.workers[who].waiting.is_some() {
            if self.chance(self.plan.give_up) {
                self.server.tally.count("fault: worker gave up");
                self.workers[who].waiting = None;
            }
            return Ok(());
        }
        let free = self.workers[who].runs.len() < RUNS;
        let turn = self.rng.random_range(0..100);
        let command = if turn < 4 && !self.ghosts.is_empty() {
            self.ghost_returns()
        } else if free && turn < 30 || self.workers[who].runs.is_empty() {
            self.asks = self.asks.wrapping_add(1);
            let request = self.workers[who].again.take();
            Command::Lease(request.unwrap_or_else(|| ask::lease(&mut self.rng, &format!("worker-{who}"), self.asks)))
        } else {
            let at = self.rng.random_range(0..self.workers[who].runs.len());
            if turn < 60 {
                let lease = self.workers[who].runs[at].lease;
                let ttl = self.rng.random_bool(0.1).then(|| self.rng.random_range(1_000..8_000));
                if self.server.renew(lease, ttl)?.is_none() {
                    self.workers[who].runs.remove(at);
                }
                return Ok(());
            }
            self.report(who, at, turn)
        };
        let id = self.send(From::Worker(who), vec![command]);
        self.workers[who].waiting = Some(id);
        Ok(())
    }

    fn report(&mut self, who: usize, at: usize, turn: u32) -> Command {
        let lease = self.workers[who].runs[at].lease;
        match turn {
            60..63 => Command::Progress(lease, ask::progress(&mut self.rng)),
            63..64 => Command::Extend(lease, self.rng.random_range(2_000..12_000)),
            64..68 => {
                let kind = if self.rng.random() { ChunkKind::Stream } else { ChunkKind::Log };
                let offset = self.rng.random_bool(0.5).then(|| self.rng.random_range(0..8));
                let bytes = Bytes::from_static(b"abcd");
                Command::Append(Append { lease, kind, offset, bytes, content_type: None, limit: 16 })
            }
            _ => {
                self.labels += 1;
                let known = self.workers[who].runs[at].ending.take();
                let outcome = known.unwrap_or_else(|| ask::end(&mut self.rng, self.labels));
                self.workers[who].runs[at].ending = Some(outcome.clone());
                Command::Settle(Settle { lease, outcome })
            }
        }
    }

    /// It was stopped for so long that its runs are somebody else's by now.
    fn ghost_returns(&mut self) -> Command {
        let at = self.rng.random_range(0..self.ghosts.len());
        let lease = self.ghosts.swap_remove(at);
        self.labels += 1;
        self.server.tally.count("fault: late worker");
        let outcome = ask::end(&mut self.rng, self.labels);
        Command::Settle(Settle { lease, outcome })
    }

    fn worker_stops(&mut self, who: usize) {
        if self.workers[who].runs.is_empty() {
            return;
        }
        self.server.op("fault: worker stopped");
        let runs = std::mem::take(&mut self.workers[who]).runs;
        self.ghosts.extend(runs.into_iter().map(|run| run.lease));
        let over = self.ghosts.len().saturating_sub(GHOSTS);
        self.ghosts.drain(..over);
    }

    pub(super) fn worker_hears(&mut self, who: usize, command: &Command, answer: Answer) {
        self.workers[who].waiting = None;
        match (command, answer) {
            (Command::Lease(_), Answer::Replied(replies)) => {
                if let [Reply::Leased(leased)] = &replies[..] {
                    let runs = &mut self.workers[who].runs;
                    runs.extend(leased.iter().map(|(job, _)| Run { lease: job.lease_ref(), ending: None }));
                }
            }
            (Command::Lease(request), Answer::Unknown) if request.request_id.is_some() => {
                self.workers[who].again = Some(request.clone());
            }
            (Command::Settle(settle), Answer::Replied(_)) => {
                self.workers[who].runs.retain(|run| run.lease != settle.lease);
            }
            _ => {}
        }
    }
}
