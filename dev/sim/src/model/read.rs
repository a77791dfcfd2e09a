//! What readers see: what is on disk, up to the transaction that was published last.

use std::ops::Bound;

use raincheck_core::interpreter::ChunkPlace;
use raincheck_core::{
    ChunkKind, Content, Cursor, Event, EventData, Failure, Job, JobId, JobNo, LeaseRef, Millis, Name, Object, Progress,
    QueueSettings, Spec, Timestamp,
};

use super::disk::Meta;
use super::{Disk, Model};

/// What a look-up by id found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A job that is there, of this number.
    Here(JobNo),
    /// It was there and has been purged.
    Purged,
    /// Nobody remembers it.
    Unknown,
}

impl Model {
    /// Everything that lasts. Between transactions only.
    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The job of a number.
    pub fn job(&self, no: JobNo) -> Option<&Job> {
        self.disk.jobs.get(no)
    }

    /// What was asked for.
    pub fn spec(&self, no: JobNo) -> Option<&Spec> {
        self.disk.specs.get(&no)
    }

    /// What came out.
    pub fn result(&self, no: JobNo) -> Option<&Content> {
        self.disk.results.get(&no)
    }

    /// The latest failure and progress.
    pub fn reports(&self, no: JobNo) -> (Option<&Failure>, Option<&Progress>) {
        (self.disk.failures.get(&no), self.disk.progress.get(&no))
    }

    /// Events of one job, oldest first.
    pub fn job_events(&self, no: JobNo) -> impl DoubleEndedIterator<Item = &Event> {
        self.disk.events.range((no, 0)..=(no, u32::MAX)).map(|(_, event)| event)
    }

    /// Events above `after`, oldest first, and how far that was read.
    pub fn events(&self, after: Cursor, limit: usize) -> (Vec<Event>, Cursor) {
        let above = (Bound::Excluded(after.0), Bound::Included(self.head.0.max(after.0)));
        let feed = self.disk.feed.range(above).take(limit);
        let found: Vec<Event> =
            feed.filter_map(|(_, at)| self.disk.events.get(at)).map(|event| self.published(event)).collect();
        let full = found.len() == limit;
        let to = found.last().filter(|_| full).map_or(self.head.max(after), |event| event.cursor);
        (found, to)
    }

    /// As a reader sees it.
    fn published(&self, event: &Event) -> Event {
        match self.disk.jobs.get(event.no) {
            Some(_) => event.clone(),
            None => Event { data: EventData::Gone(event.data.event_type()), ..event.clone() },
        }
    }

    /// The place of the latest event and of the latest that was removed.
    pub fn feed_bounds(&self) -> (Cursor, Cursor) {
        (self.head, Cursor(self.disk.meta(Meta::Floor)))
    }

    /// Every named object.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.disk.objects.iter().map(|(_, object)| object)
    }

    /// Every job that is there.
    pub fn jobs(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.disk.jobs.iter()
    }

    /// Every queue: its settings, tickets given out and served, and jobs by state.
    pub fn queues(&self) -> impl Iterator<Item = (&Name, &QueueSettings, [i64; 2], [u64; 7])> {
        self.disk.queues.iter().map(|(name, row)| {
            (name, &row.settings, [row.tickets, row.served], self.disk.jobs.count(|queue, _| queue == name))
        })
    }

    /// Jobs of a kind by state.
    pub fn kind(&self, name: &Name) -> [u64; 7] {
        self.disk.jobs.count(|_, kind| kind == name)
    }

    /// The job of a public id.
    pub fn find(&self, id: JobId) -> Found {
        if let Some((no, _)) = id.parts() {
            match self.disk.jobs.get(no) {
                Some(job) if job.id == id => return Found::Here(no),
                None if self.tombstone(no) == Some(id) => return Found::Purged,
                _ => {}
            }
        }
        match self.disk.claims.get(&super::Claim::Id(id)) {
            None => Found::Unknown,
            Some((no, _)) if self.disk.jobs.get(*no).is_some() => Found::Here(*no),
            Some(_) => Found::Purged,
        }
    }

    /// Bytes of a stream or log.
    pub fn chunks(&self, no: JobNo, kind: ChunkKind, attempt: u32) -> Vec<u8> {
        let kept = self.disk.chunks.get(&ChunkPlace::of(LeaseRef { no, attempt }, kind));
        kept.into_iter().flat_map(|kept| kept.bytes.iter().flatten().copied()).collect()
    }

    /// Whose run this is.
    pub fn worker(&self, lease: LeaseRef) -> Option<&str> {
        self.leases.worker(lease)
    }

    /// When a lease is over next, on the monotonic clock.
    pub fn next_overdue(&self) -> Option<Millis> {
        self.leases.next_overdue(self.lease_clock().idle)
    }

    /// When the next job is due, or too late.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.disk.jobs.next_due()
    }

    /// When the next job is past its retention.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.disk.jobs.next_expiry()
    }
}
