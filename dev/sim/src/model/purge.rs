//! Forgetting finished jobs, and forgetting that there were any.

use raincheck_core::interpreter::ChunkPlace;
use raincheck_core::{ChunkKind, Job, JobNo, Purged, Reply, Trim};

use super::disk::{Claim, Meta};
use super::{Model, Stop};
use crate::Flaw;

/// How long the answer of a lease request is remembered, milliseconds.
const REMEMBER_REQUESTS: i64 = 10 * 60_000;

impl Model {
    /// Forgets a finished job but for its tombstone, the claims on it and the places of its events.
    pub(super) fn purge(&mut self, job: &Job) -> Result<(), Stop> {
        self.effect()?;
        let no = job.no;
        if !job.state.is_final() && !self.has(Flaw::PurgeWithoutState) {
            return Err(Stop::Refused(format!("a purge of what is not final: {job:?}")));
        }
        // These would have gone before if the job had not been there.
        let trimmed = self.disk.meta(Meta::Trimmed);
        let all = self.has(Flaw::PurgeDropsEvents);
        let events = self.disk.events.range((no, 0)..=(no, u32::MAX)).map(|(_, event)| event.cursor.0);
        for cursor in events.filter(|cursor| all || *cursor <= trimmed).collect::<Vec<_>>() {
            self.drop_event(cursor);
            if !all {
                self.disk.raise(Meta::Floor, cursor);
            }
        }
        let place = |kind, attempt| ChunkPlace { no, kind, attempt };
        let all = place(ChunkKind::Stream, 0)..=place(ChunkKind::Log, u32::MAX);
        let chunks: Vec<_> = self.disk.chunks.range(all).map(|(key, _)| *key).collect();
        for key in chunks {
            self.disk.chunks.remove(&key);
        }
        self.disk.specs.remove(&no);
        self.disk.results.remove(&no);
        self.disk.failures.remove(&no);
        self.disk.progress.remove(&no);
        let all = self.has(Flaw::PurgeForgetsKeys);
        self.unclaim(no, |claim| all || matches!(claim, Claim::Equal(..)));
        self.disk.jobs.remove(no);
        self.gone.push(no);
        self.disk.tombstones.set(no, (job.id, self.now.plus(self.setup.tombstone)));
        Ok(())
    }

    /// Purges one more than a sweep did, whatever its state, if that is the flaw.
    pub(super) fn purge_expired(&mut self, reply: Reply) -> Result<Reply, Stop> {
        let old = |job: &&Job| !job.state.is_final() && self.now.since(job.created_at) >= job.retention.failed;
        let found = self.disk.jobs.iter().find(old).filter(|_| self.has(Flaw::PurgeWithoutState)).cloned();
        match (found, reply) {
            (Some(job), Reply::Swept(swept, purged)) => self.purge(&job).map(|()| Reply::Swept(swept + 1, purged)),
            (_, reply) => Ok(reply),
        }
    }

    /// Forgets tombstones whose time is over, with the claims of their jobs, and old answers to lease requests.
    pub(super) fn drop_tombstones(&mut self, limit: usize) -> Result<Reply, Stop> {
        self.effect()?;
        let old = self.now.plus(-REMEMBER_REQUESTS);
        let requests: Vec<_> = self.disk.requests.iter().filter(|(_, (at, _))| *at < old).map(|(id, _)| *id).collect();
        for id in requests {
            self.disk.requests.remove(&id);
        }
        let over = self.disk.tombstones.iter().filter(|(_, (_, until))| *until <= self.now);
        let mut over: Vec<_> = over.map(|(no, (_, until))| (*until, *no)).collect();
        over.sort_unstable();
        over.truncate(limit);
        for (_, no) in &over {
            self.drop_tombstone(*no)?;
            self.gone.push(*no);
        }
        Ok(Reply::Swept(over.len(), Purged::default()))
    }

    /// Goes on through the feed as far as its retention lets events go, and removes those of forgotten jobs.
    pub(super) fn trim(&mut self, trim: Trim) -> Result<Reply, Stop> {
        self.effect()?;
        let retention = self.setup.feed;
        let forgotten = self.disk.events.iter().filter(|((no, _), _)| self.disk.jobs.get(*no).is_none());
        let mut bytes: u64 = forgotten.map(|(_, event)| event.weight() as u64).sum();
        let oldest = self.disk.feed.range(self.disk.meta(Meta::Trimmed) + 1..).take(trim.limit);
        let oldest: Vec<_> = oldest.map(|(cursor, at)| (*cursor, *at)).collect();
        let mut passed = 0;
        for (cursor, at) in oldest {
            let Some(event) = self.disk.events.get(&at) else { continue };
            if retention.keeps((event.cursor, event.at), bytes.cast_signed(), self.now, trim) {
                break;
            }
            let (weight, is_there) = (event.weight() as u64, self.disk.jobs.get(at.0).is_some());
            (passed, bytes) = (passed + 1, if is_there { bytes } else { bytes - weight });
            self.disk.raise(Meta::Trimmed, cursor);
            if !is_there || self.has(Flaw::TrimTakesAll) {
                self.drop_event(cursor);
                self.disk.raise(Meta::Floor, cursor);
            }
        }
        Ok(Reply::Swept(passed, Purged::default()))
    }

    fn drop_event(&mut self, cursor: i64) {
        if let Some(at) = self.disk.feed.remove(&cursor) {
            self.disk.events.remove(&at);
        }
    }

    fn drop_tombstone(&mut self, no: JobNo) -> Result<(), Stop> {
        self.disk.raise(Meta::LastDropped, no.0);
        self.disk.tombstones.remove(&no);
        self.pass_on(no)?;
        self.unclaim(no, |_| true);
        Ok(())
    }
}
