//! Jobs are read, and waited for.

use std::sync::Arc;
use std::time::Duration;

use raincheck_core::{Content, Cursor, Event, EventData, Job, JobId, JobNo, Millis};
use raincheck_store::{EventFilter, Filter, Found, JobPage, Most, Record, ResultInfo, StoreError};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use crate::{Engine, WaitEstimate};

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The job is final.
    Done,
    /// The job's number of events is not this one any more, or the job is final.
    ChangedFrom(u32),
}

impl Until {
    fn holds(self, job: &Job) -> bool {
        job.state.is_final() || self.reached(job.seq, false)
    }

    fn reached(self, seq: u32, is_final: bool) -> bool {
        is_final || matches!(self, Until::ChangedFrom(known) if known != seq)
    }
}

impl Engine {
    /// The job of a public id, without its input's bytes.
    pub async fn job(&self, id: JobId) -> Result<Found<Box<Record>>, StoreError> {
        let found = self.store().job(id).await?;
        Ok(self.unless_expired(found, |record| &record.job))
    }

    fn unless_expired<T>(&self, found: Found<T>, job: impl Fn(&T) -> &Job) -> Found<T> {
        match found {
            Found::Here(here) if job(&here).is_expired(self.store().now()) => Found::Purged(job(&here).no),
            found => found,
        }
    }

    /// What changes of the job of a public id, and nothing else: for those who only ask whether it did.
    pub async fn job_row(&self, id: JobId) -> Result<Found<Job>, StoreError> {
        let found = self.store().job_row(id).await?;
        Ok(self.unless_expired(found, |job| job))
    }

    /// The job of a public id as soon as `until` holds, else as it is after `most` milliseconds (bounded by
    /// [`crate::Settings::wait_most`]) or when draining begins. A job that is not there is answered at once.
    pub async fn wait(&self, id: JobId, until: Until, most: Millis) -> Result<Found<Box<Record>>, StoreError> {
        let most = most.clamp(0, self.0.settings.wait_most);
        let deadline = Instant::now() + Duration::from_millis(most as u64);
        // The number inside the id, so that the first read comes after the registration; a chosen id may have
        // another number, which the first read tells.
        let mut number = id.parts().map_or(JobNo(0), |(no, _)| no);
        // Who waited for its end is shown it, however short it is kept.
        let mut waited = false;
        loop {
            let mut watch = self.0.hub.watch(number);
            let found = if waited { self.store().job(id).await? } else { self.job(id).await? };
            let record = match found {
                Found::Here(record) => record,
                absent => return Ok(absent),
            };
            if until.holds(&record.job) || Instant::now() >= deadline || self.is_draining() {
                return Ok(Found::Here(record));
            }
            if record.job.no != number {
                number = record.job.no;
                continue;
            }
            let change = async {
                loop {
                    match watch.next().await {
                        Ok(event) if until.reached(event.seq.max(record.job.seq), event.state.is_final()) => return,
                        Ok(_) => {}
                        Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                    }
                }
            };
            waited = true;
            tokio::select! {
                _ = timeout_at(deadline, change) => {}
                () = self.0.draining.cancelled() => {}
            }
        }
    }

    /// The job of a number, as a lease names it, without its input's bytes; `None` when it is not there.
    pub async fn record(&self, no: JobNo) -> Result<Option<Box<Record>>, StoreError> {
        self.store().record(no).await
    }

    /// The same as [`Engine::job`] has it of a public id.
    pub async fn job_of(&self, no: JobNo) -> Result<Found<Box<Record>>, StoreError> {
        Ok(match self.record(no).await? {
            Some(record) => self.unless_expired(Found::Here(record), |record| &record.job),
            None if self.is_purged(no).await? => Found::Purged(no),
            None => Found::Unknown,
        })
    }

    /// Whether there was a job of that number that was purged, as far as that is still remembered.
    pub async fn is_purged(&self, no: JobNo) -> Result<bool, StoreError> {
        self.store().is_purged(no).await
    }

    /// What the worker of a job gets, with its bytes unless they are a file; `None` when purged.
    pub async fn input(&self, no: JobNo) -> Result<Option<Content>, StoreError> {
        self.store().input(no).await
    }

    /// What the worker of a job made, with its bytes unless they are a file; `None` when there is none.
    pub async fn result(&self, no: JobNo) -> Result<Option<Content>, StoreError> {
        self.store().result(no).await
    }

    /// Jobs that pass the filter, newest first, at most `limit`.
    pub async fn jobs(&self, filter: Filter, limit: usize) -> Result<JobPage, StoreError> {
        let mut page = self.store().jobs(filter, limit).await?;
        let now = self.store().now();
        page.items.retain(|record| !record.job.is_expired(now));
        Ok(page)
    }

    /// A page of events of one job numbered above `after`, oldest first, at most `limit`.
    pub async fn job_events(&self, no: JobNo, after: u32, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.store().job_events(no, after, limit).await
    }

    /// The event at a place of the feed; `None` when it is purged.
    pub async fn event(&self, at: Cursor) -> Result<Option<Event>, StoreError> {
        // Never closed, so there is no error.
        let _turn = self.0.catching_up.acquire().await;
        let one = Most { rows: 1, ..Most::ahead() };
        let mut page = self.store().some_events(Cursor(at.0 - 1), &EventFilter::default(), one).await?;
        Ok(page.items.pop().filter(|event| event.cursor == at))
    }

    /// The result that an event tells of, as its job shows it.
    pub async fn event_result(&self, event: &Event) -> Result<Option<Arc<ResultInfo>>, StoreError> {
        if event.data != EventData::Succeeded {
            return Ok(None);
        }
        let read = async || Ok(self.store().results(&[event.no]).await?.pop().flatten().map(Arc::new));
        self.0.results.of(event.no).get_or_try_init(read).await.cloned()
    }

    /// The results that events tell of, one for each.
    pub async fn event_results(&self, events: &[Event]) -> Result<Vec<Option<ResultInfo>>, StoreError> {
        let has_one = |event: &&Event| event.data == EventData::Succeeded;
        let jobs: Vec<JobNo> = events.iter().filter(has_one).map(|event| event.no).collect();
        let mut results = self.store().results(&jobs).await?.into_iter();
        Ok(events.iter().map(|event| if has_one(&event) { results.next().flatten() } else { None }).collect())
    }

    /// When and for what a job waits, from memory: no store read.
    pub fn wait_estimate(&self, job: &Job) -> WaitEstimate {
        WaitEstimate::of(self, job)
    }
}
