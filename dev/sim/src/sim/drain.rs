//! Calm: faults stop, workers are honest, and every job must come to its end.

use raincheck_core::{Command, LeaseJobs, Outcome, QueuePatch, Reply, Settle};

use super::network::Answer;
use super::{Luck, Sim, ask, settle_overdue};
use crate::check::{Verdict, Violation};

/// Rounds in which all must have ended; each goes to the next time at which something is due.
const ROUNDS: usize = 20_000;

impl Sim {
    /// Brings every job to its end, then looks at everything.
    pub fn drain(&mut self) -> Verdict {
        self.server.op("times of calm");
        for request in std::mem::take(&mut self.flight) {
            self.hear(request, Answer::Unknown);
        }
        let free = QueuePatch { paused: Some(false), concurrency: Some(None), max_queued: Some(None), expected: None };
        let free = ask::QUEUES.iter().map(|queue| Command::SetQueue(ask::name(queue), free.clone()));
        self.calm(free.collect())?;
        for _ in 0..ROUNDS {
            let mut commands = vec![Command::CatchUp(1_000), Command::Promote(1_000), Command::Expire(1_000)];
            commands.extend(settle_overdue(&self.server)?);
            commands.push(Command::Lease(LeaseJobs {
                worker: "calm".into(),
                queues: Vec::new(),
                kinds: ask::KINDS.iter().map(|kind| ask::name(kind)).collect(),
                patterns: Vec::new(),
                max: 1_000,
                ttl: 5_000,
                request_id: None,
            }));
            let Some(Reply::Leased(leased)) = self.calm(commands)?.pop() else { continue };
            let ends = leased.iter().map(|(job, _)| {
                self.labels += 1;
                let outcome = Outcome::Complete(ask::content(self.labels));
                Command::Settle(Settle { lease: job.lease_ref(), outcome })
            });
            let ends: Vec<_> = ends.collect();
            if !ends.is_empty() {
                self.calm(ends)?;
            }
            if self.server.check.unfinished() == 0 && self.server.store.left_over().next().is_none() {
                return self.server.check.scan(&self.server.store);
            }
            if leased.is_empty() {
                self.pass_to_next();
            }
        }
        let what = format!("{} jobs never came to their end", self.server.check.unfinished());
        Err(Violation { job: None, what })
    }

    fn calm(&mut self, commands: Vec<Command>) -> Result<Vec<Reply>, Violation> {
        let fate = self.server.transact(vec![commands], Luck::default())?;
        Ok(fate.answers.into_iter().flatten().flatten().collect())
    }

    /// Lets time pass until a store says that something is due.
    fn pass_to_next(&mut self) {
        let store = &self.server.store;
        let due = store.next_due().map(|at| at.since(store.now));
        let overdue = store.next_overdue().map(|at| at - store.ticks);
        let by = due.into_iter().chain(overdue).min().unwrap_or(0);
        self.server.pass(by.clamp(1, 86_400_000));
    }
}
