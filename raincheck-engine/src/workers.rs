use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use raincheck_core::{Event, EventData, JobNo, Millis, Name, Pattern, Timestamp, limits};

use crate::WorkerId;
use crate::waiting::Wanted;

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
    /// What it asked for in patterns.
    pub patterns: Arc<[Pattern]>,
    /// From where; empty is everywhere.
    pub queues: Arc<[Name]>,
    /// Why it can take no jobs now.
    pub trouble: Option<Box<str>>,
    /// Jobs it runs now, as far as they started since this process did.
    pub running: usize,
    /// When it last asked, reported or finished.
    pub last_seen: Timestamp,
}

impl WorkerInfo {
    /// Whether it asks for jobs of this kind, in this queue where one is given.
    pub fn serves(&self, queue: Option<&Name>, kind: &Name) -> bool {
        self.kinds.contains(kind) || self.patterns.iter().any(|pattern| pattern.matches(kind)) || {
            let any_kind = self.kinds.is_empty() && self.patterns.is_empty();
            any_kind && queue.is_some_and(|queue| self.queues.contains(queue))
        }
    }

    fn wants(&self, wanted: Wanted<'_>) -> bool {
        *self.kinds == *wanted.kinds && *self.patterns == *wanted.patterns && *self.queues == *wanted.queues
    }

    /// Names and patterns that it is shown with.
    fn shown(&self) -> usize {
        self.kinds.len() + self.patterns.len() + self.queues.len()
    }
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
    /// When somebody last asked for a kind, for a pattern, or for any kind in a queue.
    kinds: Lately<Name>,
    patterns: Lately<Pattern>,
    queues: Lately<Name>,
    /// Runs under way: whose, and since when.
    runs: HashMap<JobNo, (Box<str>, Timestamp)>,
    /// The old are cleared out when there are this many.
    clear_at: usize,
}

/// When somebody last asked for each.
struct Lately<K>(BTreeMap<K, Millis>);

impl<K> Default for Lately<K> {
    fn default() -> Self {
        Lately(BTreeMap::new())
    }
}

impl<K: Ord + Clone> Lately<K> {
    fn ask(&mut self, key: &K, ticks: Millis, most: usize) {
        if let Some(at) = self.0.get_mut(key) {
            *at = ticks;
            return;
        }
        if self.0.len() >= most {
            let middle = middle(self.0.values().copied());
            self.0.retain(|_, at| *at > middle);
        }
        self.0.insert(key.clone(), ticks);
    }

    fn has(&self, key: &K, ticks: Millis) -> bool {
        self.0.get(key).is_some_and(|at| ticks - at <= SERVED_MILLIS)
    }

    fn clear(&mut self, ticks: Millis) {
        self.0.retain(|_, at| ticks - *at <= SERVED_MILLIS);
    }
}

impl Workers {
    /// A worker asks for work, or says why it cannot.
    pub(crate) fn asked(&self, id: &WorkerId, wanted: Wanted<'_>, ticks: Millis, now: Timestamp) {
        let mut seen = self.0.lock();
        seen.clear(ticks);
        if id.trouble.is_none() {
            seen.note(wanted, ticks);
        }
        let Some((info, at)) = seen.workers.get_mut(&id.name) else { return seen.add(id, wanted, 0, ticks, now) };
        (info.last_seen, *at) = (now, ticks);
        let (running, begins) = (info.running, info.trouble.is_none() && id.trouble.is_some());
        let is_same = info.version == id.version && info.wants(wanted);
        if info.trouble != id.trouble {
            info.trouble.clone_from(&id.trouble);
        }
        if begins {
            seen.withdraw(wanted, ticks);
        }
        if !is_same && let Some((info, _)) = seen.workers.remove(&id.name) {
            seen.names -= info.shown();
            seen.add(id, wanted, running, ticks, now);
        }
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

    /// Whether somebody asked for this kind lately, in this queue where one is given, or works on it so busily that it
    /// does not ask.
    pub(crate) fn serve(&self, queue: Option<&Name>, kind: &Name, ticks: Millis) -> bool {
        let seen = self.0.lock();
        let recent = |at: Millis| ticks - at <= SERVED_MILLIS;
        let asked = |(pattern, at): (&Pattern, &Millis)| recent(*at) && pattern.matches(kind);
        let busy = |(info, at): &(WorkerInfo, Millis)| {
            info.running > 0 && info.trouble.is_none() && recent(*at) && info.serves(queue, kind)
        };
        seen.kinds.has(kind, ticks)
            || queue.is_some_and(|queue| seen.queues.has(queue, ticks))
            || seen.patterns.0.iter().any(asked)
            || seen.workers.values().any(busy)
    }

    /// Who would serve such a job but cannot take any now, and why.
    pub(crate) fn trouble(&self, queue: &Name, kind: &Name, ticks: Millis) -> Option<Box<str>> {
        let seen = self.0.lock();
        let told = seen.workers.values().filter(|(info, at)| info.trouble.is_some() && ticks - at <= SERVED_MILLIS);
        let serving = told
            .map(|(info, _)| info)
            .filter(|info| info.serves(Some(queue), kind) && (info.queues.is_empty() || info.queues.contains(queue)));
        let first = serving.min_by(|a, b| a.name.cmp(&b.name))?;
        let why = first.trouble.as_deref().unwrap_or_default();
        Some(format!("worker {} takes no jobs now: {why}", first.name).into())
    }
}

impl Seen {
    /// What nobody but a worker in trouble asked for lately is not served.
    fn withdraw(&mut self, wanted: Wanted<'_>, ticks: Millis) {
        let (mut kinds, mut patterns, mut queues) = (HashSet::new(), HashSet::new(), HashSet::new());
        for (info, at) in self.workers.values() {
            if info.trouble.is_none() && ticks - at <= SERVED_MILLIS {
                kinds.extend(info.kinds.iter().cloned());
                patterns.extend(info.patterns.iter().cloned());
                let any_kind = info.kinds.is_empty() && info.patterns.is_empty();
                queues.extend(info.queues.iter().filter(|_| any_kind).cloned());
            }
        }
        self.kinds.0.retain(|kind, _| kinds.contains(kind) || !wanted.kinds.contains(kind));
        self.patterns.0.retain(|pattern, _| patterns.contains(pattern) || !wanted.patterns.contains(pattern));
        self.queues.0.retain(|queue, _| queues.contains(queue) || !wanted.queues.contains(queue));
    }

    fn note(&mut self, wanted: Wanted<'_>, ticks: Millis) {
        let Wanted { queues, kinds, patterns } = wanted;
        kinds.iter().for_each(|kind| self.kinds.ask(kind, ticks, limits::KINDS));
        patterns.iter().for_each(|pattern| self.patterns.ask(pattern, ticks, limits::WAITING_PATTERNS));
        let any_kind = kinds.is_empty() && patterns.is_empty();
        queues.iter().filter(|_| any_kind).for_each(|queue| self.queues.ask(queue, ticks, limits::QUEUES));
    }

    fn asked(&self) -> usize {
        self.kinds.0.len() + self.patterns.0.len() + self.queues.0.len()
    }

    fn add(&mut self, id: &WorkerId, wanted: Wanted<'_>, running: usize, ticks: Millis, now: Timestamp) {
        let (kinds, queues) = (self.list(wanted.kinds), self.list(wanted.queues));
        let WorkerId { name, version, trouble } = id.clone();
        let patterns = wanted.patterns.into();
        let info =
            WorkerInfo { name: name.clone(), version, kinds, patterns, queues, trouble, running, last_seen: now };
        let names = info.shown();
        let full = |seen: &Seen| seen.workers.len() >= limits::WORKERS || seen.names + names > limits::WORKER_NAMES;
        if full(self) {
            self.forget_older_half();
        }
        // All that are left run something: this one works as well without being shown.
        if full(self) {
            return;
        }
        self.names += names;
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

    /// Of those that run nothing.
    fn forget_older_half(&mut self) {
        let middle = middle(self.workers.values().filter(|(info, _)| info.running == 0).map(|(_, at)| *at));
        self.forget(|info, at| info.running > 0 || at > middle);
    }

    fn forget(&mut self, keep: impl Fn(&WorkerInfo, Millis) -> bool) {
        self.workers.retain(|_, (info, at)| keep(info, *at));
        self.lists.retain(|list| Arc::strong_count(list) > 1);
        self.names = self.workers.values().map(|(info, _)| info.shown()).sum();
    }

    /// Forgets the old, so that made-up names cannot fill the memory; each time the maps have doubled.
    fn clear(&mut self, ticks: Millis) {
        if self.workers.len() + self.asked() < self.clear_at.max(256) {
            return;
        }
        self.forget(|info, at| ticks - at <= FORGET_MILLIS || info.running > 0);
        self.kinds.clear(ticks);
        self.patterns.clear(ticks);
        self.queues.clear(ticks);
        self.clear_at = (self.workers.len() + self.asked()) * 2;
    }
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
        let id = WorkerId { name: worker.into(), version: None, trouble: None };
        workers.asked(&id, Wanted { queues: &[], kinds, patterns: &[] }, ticks, Timestamp(ticks));
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
        assert!(seen.workers.len() <= limits::WORKERS && seen.kinds.0.len() <= limits::KINDS);
        assert!(seen.names <= limits::WORKER_NAMES);
        drop(seen);
        assert!(workers.serve(None, &name("k"), last));
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

    #[test]
    fn patterns_and_queues_serve_what_they_stand_for_for_a_while() {
        let workers = Workers::default();
        let id = WorkerId { name: "w".into(), version: None, trouble: None };
        let patterns = [Pattern::new("shop.*").unwrap()];
        workers.asked(&id, Wanted { queues: &[], kinds: &[], patterns: &patterns }, 0, Timestamp(0));
        workers.asked(&id, Wanted { queues: &[name("q")], kinds: &[], patterns: &[] }, 1, Timestamp(1));
        let serve =
            |queue: Option<&str>, kind: &str, ticks| workers.serve(queue.map(name).as_ref(), &name(kind), ticks);
        assert!(serve(None, "shop.email", 1) && !serve(None, "email", 1));
        assert!(serve(Some("q"), "email", 1) && !serve(Some("r"), "email", 1));
        assert!(!serve(None, "shop.email", SERVED_MILLIS + 1), "it asks for something else by now");
        assert!(serve(Some("q"), "email", SERVED_MILLIS + 1) && !serve(Some("q"), "email", SERVED_MILLIS + 2));
        assert_eq!((workers.list(1).len(), workers.0.lock().names), (1, 1));
    }

    #[test]
    fn a_worker_in_trouble_serves_nothing_until_it_asks_again() {
        let workers = Workers::default();
        let patterns = [Pattern::new("shop.*").unwrap()];
        let kinds = [name("k"), name("shared")];
        let all = Wanted { queues: &[], kinds: &kinds, patterns: &patterns };
        let say = |worker: &str, wanted: Wanted<'_>, trouble: Option<&str>, ticks| {
            let id = WorkerId { name: worker.into(), version: None, trouble: trouble.map(Into::into) };
            workers.asked(&id, wanted, ticks, Timestamp(ticks));
        };
        let served = |ticks| ["k", "shared", "shop.a"].map(|kind| workers.serve(None, &name(kind), ticks));
        say("a", all, None, 0);
        say("b", Wanted { queues: &[], kinds: &kinds[1..], patterns: &[] }, None, 0);
        assert_eq!(served(1), [true; 3]);
        say("a", all, Some("the disk is full"), 1);
        assert_eq!(served(1), [false, true, false]);
        let why = |kind: &str, ticks| workers.trouble(&name("q"), &name(kind), ticks);
        assert_eq!(why("shop.a", 1).as_deref(), Some("worker a takes no jobs now: the disk is full"));
        assert_eq!((why("other", 1), why("k", SERVED_MILLIS + 2)), (None, None));
        assert_eq!(workers.list(1)[0].trouble.as_deref(), Some("the disk is full"));
        say("a", all, None, 2);
        assert_eq!((served(2), why("k", 2), workers.list(2)[0].trouble.clone()), ([true; 3], None, None));
    }
}
