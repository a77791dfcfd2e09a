//! The events of one job, read and then heard.

use std::collections::VecDeque;
use std::sync::Arc;

use raincheck_core::{Event, Job, JobNo};
use raincheck_store::{Most, StoreError};
use tokio::sync::broadcast::error::RecvError;

use crate::Engine;
use crate::hub::Watch;

/// The events of one job, from a number on and then live: none missed, none doubled.
pub struct JobWatch {
    engine: Engine,
    no: JobNo,
    /// Registered before the first read, so that nothing falls between reading and listening.
    watch: Watch,
    /// Number of the last event handed out.
    last: u32,
    /// Read from the store and not handed out yet.
    read: VecDeque<Event>,
    /// The store may have events above `last` that the hub will not bring.
    behind: bool,
    /// What was handed out may not be there any more.
    history_changed: bool,
    ended: bool,
}

impl Engine {
    /// Watches one job's events numbered above `after`; 0 is from its beginning.
    pub fn watch_job(&self, no: JobNo, after: u32) -> JobWatch {
        let watch = self.0.hub.watch(no);
        JobWatch {
            engine: self.clone(),
            no,
            watch,
            last: after,
            read: VecDeque::new(),
            behind: true,
            history_changed: false,
            ended: false,
        }
    }
}

impl JobWatch {
    /// The next event, when there is one. `None` after the final event, when the job is purged or lacks what was
    /// handed out, or when draining begins. May be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Arc<Event>>, StoreError> {
        let draining = self.engine.draining();
        loop {
            if self.ended || draining.is_cancelled() {
                return Ok(None);
            }
            if let Some(event) = self.read.pop_front() {
                return Ok(Some(self.hand_out(Arc::new(event))));
            }
            // Who waits keeps no memory for it.
            self.read = VecDeque::new();
            if self.behind {
                self.catch_up().await?;
                continue;
            }
            let event = tokio::select! {
                event = self.watch.next() => event,
                () = draining.cancelled() => return Ok(None),
            };
            match event {
                Ok(event) if event.seq == self.last + 1 => return Ok(Some(self.hand_out(event))),
                Ok(event) if event.seq <= self.last => self.ended = event.state.is_final(),
                Ok(_) => self.behind = true,
                Err(RecvError::Lagged(missed)) => {
                    (self.behind, self.history_changed) = (true, self.history_changed || missed == 0);
                }
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// Number of the last event handed out, or the one the watch began after.
    pub fn last(&self) -> u32 {
        self.last
    }

    fn hand_out(&mut self, event: Arc<Event>) -> Arc<Event> {
        self.last = event.seq;
        self.ended = event.state.is_final();
        event
    }

    async fn catch_up(&mut self) -> Result<(), StoreError> {
        // Never closed, so there is no error.
        let _turn = self.engine.0.catching_up.acquire().await;
        let page = self.engine.store().some_job_events(self.no, self.last, Most::ahead()).await?;
        if page.items.is_empty() {
            // Nothing above `last`: either all that is to come will be heard of, or nothing will come any more.
            let record = self.engine.store().record(self.no).await?;
            let ended = |job: &Job| job.state.is_final() && job.seq <= self.last;
            let lacks = |job: &Job| self.history_changed && job.seq < self.last;
            self.ended = record.is_none_or(|r| ended(&r.job) || lacks(&r.job));
        }
        self.behind = !page.at_head;
        self.read = page.items.into();
        Ok(())
    }
}
