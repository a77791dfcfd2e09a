use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use raincheck_core::{Event, EventData, JobNo, Millis, Name, Timestamp};

use crate::WorkerId;

/// A worker unseen for this long is forgotten.
const FORGET_MILLIS: Millis = 10 * 60_000;
/// A kind nobody asked for in this long is not served.
const SERVED_MILLIS: Millis = 2 * 60_000;

/// A worker as people are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerInfo {
    /// Its name.
    pub name: Box<str>,
    /// The version of its program.
    pub version: Option<Box<str>>,
    /// What it asked for.
    pub kinds: Vec<Name>,
    /// From where; empty is everywhere.
    pub queues: Vec<Name>,
    /// Jobs it runs now, as far as they started since this process did.
    pub running: usize,
    /// When it last asked, reported or finished.
    pub last_seen: Timestamp,
}

/// Who works, as far as this process has seen.
#[derive(Default)]
pub(crate) struct Workers(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    workers: HashMap<Box<str>, (WorkerInfo, Millis)>,
    /// When somebody last asked for a kind.
    asked: BTreeMap<Name, Millis>,
    /// Runs under way: whose, and since when.
    runs: HashMap<JobNo, (Box<str>, Timestamp)>,
    /// The old are cleared out when there are this many.
    clear_at: usize,
}

impl Workers {
    /// A worker asks for work.
    pub(crate) fn asked(&self, id: &WorkerId, queues: &[Name], kinds: &[Name], ticks: Millis, now: Timestamp) {
        let mut seen = self.0.lock();
        seen.clear(ticks);
        for kind in kinds {
            match seen.asked.get_mut(kind) {
                Some(at) => *at = ticks,
                None => drop(seen.asked.insert(kind.clone(), ticks)),
            }
        }
        if let Some((info, at)) = seen.workers.get_mut(&id.name) {
            (info.last_seen, *at) = (now, ticks);
            if info.version != id.version || info.kinds != kinds || info.queues != queues {
                (info.version, info.kinds, info.queues) = (id.version.clone(), kinds.to_vec(), queues.to_vec());
            }
            return;
        }
        let (kinds, queues) = (kinds.to_vec(), queues.to_vec());
        let WorkerId { name, version } = id.clone();
        let info = WorkerInfo { name: name.clone(), version, kinds, queues, running: 0, last_seen: now };
        seen.workers.insert(name, (info, ticks));
    }

    /// A worker gave a sign of life.
    pub(crate) fn seen(&self, name: &str, ticks: Millis, now: Timestamp) {
        if let Some((info, at)) = self.0.lock().workers.get_mut(name) {
            (info.last_seen, *at) = (now, ticks);
        }
    }

    /// Takes note of a run's start or end; answers how long a job that succeeded took, milliseconds.
    pub(crate) fn note(&self, event: &Event) -> Option<Millis> {
        let mut seen = self.0.lock();
        match &event.data {
            EventData::Progress(_) | EventData::CancelRequested => None,
            EventData::Started { worker } => {
                seen.runs.insert(event.no, (worker.clone(), event.at));
                if let Some((info, _)) = seen.workers.get_mut(worker) {
                    info.running += 1;
                }
                None
            }
            _ => {
                let (worker, since) = seen.runs.remove(&event.no)?;
                if let Some((info, _)) = seen.workers.get_mut(&worker) {
                    info.running = info.running.saturating_sub(1);
                }
                matches!(event.data, EventData::Succeeded).then(|| event.at.since(since))
            }
        }
    }

    /// Everybody seen lately, by name.
    pub(crate) fn list(&self, ticks: Millis) -> Vec<WorkerInfo> {
        let seen = self.0.lock();
        let recent = seen.workers.values().filter(|(_, at)| ticks - at <= FORGET_MILLIS);
        let mut list: Vec<_> = recent.map(|(info, _)| info.clone()).collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    /// Whether somebody asked for this kind lately, or works on it so busily that it does not ask.
    pub(crate) fn serve(&self, kind: &Name, ticks: Millis) -> bool {
        let seen = self.0.lock();
        let recent = |at: &Millis| ticks - at <= SERVED_MILLIS;
        let busy = |(info, at): &(WorkerInfo, Millis)| info.running > 0 && recent(at) && info.kinds.contains(kind);
        seen.asked.get(kind).is_some_and(recent) || seen.workers.values().any(busy)
    }
}

impl Seen {
    /// Forgets the old, so that made-up names cannot fill the memory; each time the maps have doubled.
    fn clear(&mut self, ticks: Millis) {
        if self.workers.len() + self.asked.len() < self.clear_at.max(256) {
            return;
        }
        self.workers.retain(|_, (info, at)| ticks - *at <= FORGET_MILLIS || info.running > 0);
        self.asked.retain(|_, at| ticks - *at <= SERVED_MILLIS);
        self.clear_at = (self.workers.len() + self.asked.len()) * 2;
    }
}
