use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use raincheck_core::{Event, EventData, JobNo, Millis, Name, Timestamp, limits};

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
    pub kinds: Arc<[Name]>,
    /// From where; empty is everywhere.
    pub queues: Arc<[Name]>,
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
    /// What workers ask for: each list once, for most ask for the same.
    lists: HashSet<Arc<[Name]>>,
    /// In the lists of all workers, each as often as it is shown.
    names: usize,
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
                None => seen.ask(kind, ticks),
            }
        }
        if let Some((info, at)) = seen.workers.get_mut(&id.name) {
            (info.last_seen, *at) = (now, ticks);
            if info.version == id.version && *info.kinds == *kinds && *info.queues == *queues {
                return;
            }
            if let Some((info, _)) = seen.workers.remove(&id.name) {
                seen.names -= shown(&info);
                seen.add(id, queues, kinds, info.running, ticks, now);
            }
            return;
        }
        seen.add(id, queues, kinds, 0, ticks, now);
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
            EventData::Progress(_) | EventData::CancelRequested | EventData::Gone(_) => None,
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
    fn add(&mut self, id: &WorkerId, queues: &[Name], kinds: &[Name], running: usize, ticks: Millis, now: Timestamp) {
        let names = queues.len() + kinds.len();
        let full = |seen: &Seen| seen.workers.len() >= limits::WORKERS || seen.names + names > limits::WORKER_NAMES;
        if full(self) {
            self.forget_older_half();
        }
        // All that are left run something: this one works as well without being shown.
        if full(self) {
            return;
        }
        self.names += names;
        let (kinds, queues) = (self.list(kinds), self.list(queues));
        let WorkerId { name, version } = id.clone();
        let info = WorkerInfo { name: name.clone(), version, kinds, queues, running, last_seen: now };
        self.workers.insert(name, (info, ticks));
    }

    /// The list as it is kept.
    fn list(&mut self, names: &[Name]) -> Arc<[Name]> {
        if let Some(known) = self.lists.get(names) {
            return known.clone();
        }
        let list: Arc<[Name]> = names.into();
        self.lists.insert(list.clone());
        list
    }

    fn ask(&mut self, kind: &Name, ticks: Millis) {
        if self.asked.len() >= limits::KINDS {
            let middle = middle(self.asked.values().copied());
            self.asked.retain(|_, at| *at > middle);
        }
        self.asked.insert(kind.clone(), ticks);
    }

    /// Of those that run nothing.
    fn forget_older_half(&mut self) {
        let middle = middle(self.workers.values().filter(|(info, _)| info.running == 0).map(|(_, at)| *at));
        self.forget(|info, at| info.running > 0 || at > middle);
    }

    fn forget(&mut self, keep: impl Fn(&WorkerInfo, Millis) -> bool) {
        self.workers.retain(|_, (info, at)| keep(info, *at));
        self.lists.retain(|list| Arc::strong_count(list) > 1);
        self.names = self.workers.values().map(|(info, _)| shown(info)).sum();
    }

    /// Forgets the old, so that made-up names cannot fill the memory; each time the maps have doubled.
    fn clear(&mut self, ticks: Millis) {
        if self.workers.len() + self.asked.len() < self.clear_at.max(256) {
            return;
        }
        self.forget(|info, at| ticks - at <= FORGET_MILLIS || info.running > 0);
        self.asked.retain(|_, at| ticks - *at <= SERVED_MILLIS);
        self.clear_at = (self.workers.len() + self.asked.len()) * 2;
    }
}

fn shown(info: &WorkerInfo) -> usize {
    info.kinds.len() + info.queues.len()
}

fn middle(times: impl Iterator<Item = Millis>) -> Millis {
    let mut times: Vec<Millis> = times.collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::name;

    fn ask(workers: &Workers, worker: &str, kinds: &[Name], ticks: Millis) {
        let id = WorkerId { name: worker.into(), version: None };
        workers.asked(&id, &[], kinds, ticks, Timestamp(ticks));
    }

    #[test]
    fn made_up_workers_take_bounded_memory() {
        let workers = Workers::default();
        for n in 0..2_000 {
            let kinds: Vec<Name> = (0..limits::LEASE_NAMES).map(|kind| name(&format!("{n}.{kind}"))).collect();
            ask(&workers, &n.to_string(), &kinds, n);
        }
        for n in 0..3 * limits::WORKERS as Millis {
            ask(&workers, &format!("w{n}"), &[name("k")], 2_000 + n);
        }
        let last = 2_000 + 3 * limits::WORKERS as Millis;
        let seen = workers.0.lock();
        assert!(seen.workers.len() <= limits::WORKERS && seen.asked.len() <= limits::KINDS);
        assert!(seen.names <= limits::WORKER_NAMES);
        drop(seen);
        assert!(workers.serve(&name("k"), last));
        assert!(workers.list(last).iter().any(|info| *info.name == *format!("w{}", 3 * limits::WORKERS - 1)));
    }

    #[test]
    fn equal_lists_are_kept_once() {
        let workers = Workers::default();
        ask(&workers, "a", &[name("x"), name("y")], 1);
        ask(&workers, "b", &[name("x"), name("y")], 1);
        let list = workers.list(1);
        assert!(Arc::ptr_eq(&list[0].kinds, &list[1].kinds));
        ask(&workers, "b", &[name("z")], 2);
        let list = workers.list(2);
        assert_eq!((list[0].kinds.len(), list[1].kinds.len()), (2, 1));
        assert_eq!(workers.0.lock().names, 3);
    }
}
