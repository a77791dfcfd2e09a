use raincheck_core::{Job, State};
use raincheck_store::StoreError;

use crate::Engine;
use crate::kind_lines::before;

impl Engine {
    /// Looks how much in a job's queue nobody serves, so that its [`Engine::wait_estimate`] does not count that; where there is
    /// nothing before it, or somebody has just looked, it does nothing.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look_at_line(&self, job: &Job) -> Result<(), StoreError> {
        if job.state != State::Queued {
            return Ok(());
        }
        let served = self.queue(&job.queue).map_or(0, |queue| queue.served);
        let is_first = job.ticket - served <= 1;
        if !is_first && self.0.kind_lines.take_turn(&job.queue, self.0.clock.ticks()) {
            let lines = self.store().kind_lines(&job.queue).await?;
            self.0.kind_lines.put(&job.queue, lines);
        }
        Ok(())
    }

    /// Jobs before this one that nobody serves: they stay where they are, and it passes them.
    pub(crate) fn passed_over(&self, job: &Job) -> u64 {
        let lines = self.0.kind_lines.of(&job.queue);
        let others = lines.iter().flat_map(|lines| lines.iter()).filter(|line| line.kind != job.kind);
        let passed = others.map(|line| (line, before(line, job.ticket))).filter(|(_, before)| *before > 0);
        passed.filter(|(line, _)| !self.served(&job.queue, &line.kind)).map(|(_, before)| before).sum()
    }
}
