use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use raincheck_core::{Event, EventData, JobNo, Millis, Name, Pattern, Timestamp, Wanted, limits};

use crate::WorkerId;

/// A worker unseen for this long is forgotten.
const FORGET_MILLIS: Millis = 10 * 60_000;
/// One that gave no sign of life for this long serves nothing.
const SERVES_MILLIS: Millis = 2 * 60_000;
/// And for what one runs that gave none for this long nobody waits.
const SILENT_MILLIS: Millis = 60_000;

/// A worker as people are shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerInfo {
    /// Its name.
    pub name: Box<str>,
    /// The version of its program.
    pub version: Option<Box<str>>,
    /// What it serves: what it named last.
    pub kinds: Arc<[Name]>,
    /// What it serves in patterns.
    pub patterns: Arc<[Pattern]>,
    /// From where; empty is everywhere.
    pub queues: Arc<[Name]>,
    /// Whether it takes jobs now: it asked for some when it last named what it serves, nothing troubles it, and that or
    /// another sign of life was not long ago.
    pub is_taking: bool,
    /// Why it can take no jobs now.
    pub trouble: Option<Box<str>>,
    /// Jobs it runs now, as far as they started, or their heartbeats came, since this process did.
    pub running: usize,
    /// When it last asked, reported or finished.
    pub last_seen: Timestamp,
}

impl WorkerInfo {
    /// Whether it takes jobs of this kind from this queue now.
    pub fn serves(&self, queue: &Name, kind: &Name) -> bool {
        self.is_taking && self.trouble.is_none() && self.wanted().job(queue, kind)
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted { queues: &self.queues, kinds: &self.kinds, patterns: &self.patterns }
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
    /// Runs under way: whose, and since when, where that is known.
    runs: HashMap<JobNo, (Box<str>, Option<Timestamp>)>,
    /// Those of them that will not be heard of for long.
    handed_over: HashSet<JobNo>,
    /// Runs that a stop waits for, once it has begun.
    held: Option<HashSet<JobNo>>,
    /// The old are cleared out when there are this many.
    clear_at: usize,
}

impl Workers {
    /// A worker asks for up to `max` jobs, or says why it takes none. What it named last is what it serves; a request that
    /// names nothing says nothing about that.
    pub(crate) fn asked(&self, id: &WorkerId, wanted: Wanted<'_>, max: usize, ticks: Millis, now: Timestamp) {
        let mut seen = self.0.lock();
        seen.clear(ticks);
        let is_taking = !wanted.is_nothing() && (max > 0 || id.trouble.is_some());
        let Some((info, at)) = seen.workers.get_mut(&id.name) else {
            return seen.add(id, wanted, is_taking, 0, ticks, now);
        };
        (info.last_seen, *at) = (now, ticks);
        if (&info.version, &info.trouble) != (&id.version, &id.trouble) {
            info.version.clone_from(&id.version);
            info.trouble.clone_from(&id.trouble);
        }
        if wanted.is_nothing() {
            return;
        }
        info.is_taking = is_taking;
        let running = info.running;
        if !info.wants(wanted)
            && let Some((info, _)) = seen.workers.remove(&id.name)
        {
            seen.names -= info.shown();
            seen.add(id, wanted, is_taking, running, ticks, now);
        }
    }

    /// A run gave a sign of life of its worker; whether it was not known of.
    pub(crate) fn saw_run(&self, no: JobNo, name: &str, ticks: Millis, now: Timestamp) -> bool {
        let mut seen = self.0.lock();
        if let Some((info, at)) = seen.workers.get_mut(name) {
            (info.last_seen, *at) = (now, ticks);
        } else {
            // Since the start of this process it did not ask for anything.
            let id = WorkerId { name: name.into(), version: None, trouble: None };
            seen.add(&id, Wanted { queues: &[], kinds: &[], patterns: &[] }, false, 0, ticks, now);
        }
        let is_new = !seen.runs.contains_key(&no);
        if is_new {
            seen.begin(no, name, None);
        }
        let Seen { held, handed_over, .. } = &mut *seen;
        if let Some(held) = held
            && !handed_over.contains(&no)
        {
            held.insert(no);
        }
        is_new
    }

    /// A run goes on elsewhere, and its lease with it: no stop waits for it.
    pub(crate) fn hand_over(&self, no: JobNo) {
        let mut seen = self.0.lock();
        if seen.runs.contains_key(&no) {
            seen.handed_over.insert(no);
        }
        if let Some(held) = &mut seen.held {
            held.remove(&no);
        }
    }

    /// A run is over; answers since when it ran, where that is known.
    pub(crate) fn run_over(&self, no: JobNo) -> Option<Timestamp> {
        self.0.lock().end(no)
    }

    /// Takes note of a run's start or end; answers how long one that ended took, milliseconds.
    pub(crate) fn note(&self, event: &Event) -> Option<Millis> {
        match &event.data {
            EventData::Progress(_) | EventData::CancelRequested | EventData::Gone(_) => None,
            EventData::Started { worker } => {
                self.0.lock().begin(event.no, worker, Some(event.at));
                None
            }
            _ => {
                let since = self.run_over(event.no)?;
                Some(event.at.since(since))
            }
        }
    }

    /// Everybody seen lately, by name.
    pub(crate) fn list(&self, ticks: Millis) -> Vec<WorkerInfo> {
        let seen = self.0.lock();
        let recent = seen.workers.values().filter(|(_, at)| ticks - at <= FORGET_MILLIS);
        let shown = |(info, at): &(WorkerInfo, Millis)| {
            let is_taking = info.is_taking && info.trouble.is_none() && ticks - at <= SERVES_MILLIS;
            WorkerInfo { is_taking, ..info.clone() }
        };
        let mut list: Vec<_> = recent.map(shown).collect();
        list.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        list
    }

    /// Whether somebody takes jobs of this kind from this queue.
    pub(crate) fn serve(&self, queue: &Name, kind: &Name, ticks: Millis) -> bool {
        let seen = self.0.lock();
        seen.workers.values().any(|(info, at)| ticks - at <= SERVES_MILLIS && info.serves(queue, kind))
    }

    /// A stop begins: it waits for what workers run now that are not silent, and for what else is spoken of from here on. What
    /// they begin at another server is not its matter.
    pub(crate) fn hold(&self, ticks: Millis) {
        let mut seen = self.0.lock();
        let speaks = |worker: &str| seen.workers.get(worker).is_some_and(|(_, at)| ticks - at <= SILENT_MILLIS);
        let waited_for = seen.runs.iter().filter(|(no, (worker, _))| speaks(worker) && !seen.handed_over.contains(no));
        seen.held = Some(waited_for.map(|(no, _)| *no).collect());
    }

    /// Whether any of that still runs.
    pub(crate) fn hold_something(&self) -> bool {
        self.0.lock().held.as_ref().is_some_and(|held| !held.is_empty())
    }

    /// Who would serve such a job but cannot take any now, and why.
    pub(crate) fn trouble(&self, queue: &Name, kind: &Name, ticks: Millis) -> Option<Box<str>> {
        let seen = self.0.lock();
        let troubled = seen.workers.values().filter(|(info, at)| info.trouble.is_some() && ticks - at <= SERVES_MILLIS);
        let serving = troubled.map(|(info, _)| info).filter(|info| info.is_taking && info.wanted().job(queue, kind));
        let first = serving.min_by(|a, b| a.name.cmp(&b.name))?;
        let why = first.trouble.as_deref().unwrap_or_default();
        Some(format!("worker {} takes no jobs now: {why}", first.name).into())
    }
}

impl Seen {
    fn begin(&mut self, no: JobNo, worker: &str, since: Option<Timestamp>) {
        self.end(no);
        self.runs.insert(no, (worker.into(), since));
        if let Some((info, _)) = self.workers.get_mut(worker) {
            info.running += 1;
        }
    }

    fn end(&mut self, no: JobNo) -> Option<Timestamp> {
        let (worker, since) = self.runs.remove(&no)?;
        self.handed_over.remove(&no);
        if let Some(held) = &mut self.held {
            held.remove(&no);
        }
        if let Some((info, _)) = self.workers.get_mut(&worker) {
            info.running = info.running.saturating_sub(1);
        }
        since
    }

    fn add(
        &mut self,
        id: &WorkerId,
        wanted: Wanted<'_>,
        is_taking: bool,
        running: usize,
        ticks: Millis,
        last_seen: Timestamp,
    ) {
        let (kinds, queues) = (self.list(wanted.kinds), self.list(wanted.queues));
        let WorkerId { name, version, trouble } = id.clone();
        let patterns = wanted.patterns.into();
        let info =
            WorkerInfo { name: name.clone(), version, kinds, patterns, queues, is_taking, trouble, running, last_seen };
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

    /// Forgets the old, so that made-up names cannot fill the memory; each time the map has doubled.
    fn clear(&mut self, ticks: Millis) {
        if self.workers.len() < self.clear_at.max(256) {
            return;
        }
        self.forget(|info, at| ticks - at <= FORGET_MILLIS || info.running > 0);
        self.clear_at = self.workers.len() * 2;
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
        workers.asked(&id, Wanted { queues: &[], kinds, patterns: &[] }, 1, ticks, Timestamp(ticks));
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
        assert!(seen.workers.len() <= limits::WORKERS && seen.names <= limits::WORKER_NAMES);
        drop(seen);
        assert!(workers.serve(&name("q"), &name("k"), last));
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

    /// Says that worker `w` asks for up to `max`, at `ticks`.
    fn say(workers: &Workers, (queues, kinds): (&[&str], &[&str]), max: usize, trouble: Option<&str>, ticks: Millis) {
        let names = |texts: &[&str]| texts.iter().map(|text| name(text)).collect::<Vec<_>>();
        let (patterns, kinds): (Vec<&str>, Vec<&str>) = kinds.iter().partition(|text| Pattern::is_meant(text));
        let patterns: Vec<Pattern> = patterns.iter().map(|text| Pattern::new(text).unwrap()).collect();
        let id = WorkerId { name: "w".into(), version: None, trouble: trouble.map(Into::into) };
        let wanted = Wanted { queues: &names(queues), kinds: &names(&kinds), patterns: &patterns };
        workers.asked(&id, wanted, max, ticks, Timestamp(ticks));
    }

    #[test]
    fn a_worker_serves_what_it_named_last_for_a_while() {
        let workers = Workers::default();
        let serve = |queue: &str, kind: &str, ticks| workers.serve(&name(queue), &name(kind), ticks);
        say(&workers, (&[], &["shop.*"]), 1, None, 0);
        assert!(serve("q", "shop.email", 1) && !serve("q", "email", 1));
        say(&workers, (&["q"], &[]), 1, None, 1);
        assert!(serve("q", "email", 1) && !serve("r", "shop.email", 1), "it asks for something else by now");
        assert!(serve("q", "email", SERVES_MILLIS + 1) && !serve("q", "email", SERVES_MILLIS + 2));
        say(&workers, (&["r"], &["shop.*"]), 1, None, 2);
        assert!(serve("r", "shop.a", 2) && !serve("q", "shop.a", 2), "a pattern is bound to its queues");
        say(&workers, (&[], &[]), 1, None, 3);
        assert!(serve("r", "shop.a", 3), "a request that names nothing says nothing about that");
        say(&workers, (&["r"], &["shop.*"]), 0, None, 4);
        assert!(!serve("r", "shop.a", 4) && !workers.list(4)[0].is_taking, "it takes none");
        assert_eq!((workers.list(4).len(), workers.0.lock().names), (1, 2));
    }

    #[test]
    fn a_worker_in_trouble_serves_nothing_until_it_asks_again() {
        let workers = Workers::default();
        let serve = |kind: &str, ticks| workers.serve(&name("q"), &name(kind), ticks);
        let why = |kind: &str, ticks| workers.trouble(&name("q"), &name(kind), ticks);
        let all: (&[&str], &[&str]) = (&[], &["k", "shop.*"]);
        say(&workers, all, 1, None, 0);
        ask(&workers, "b", &[name("k")], 0);
        for (wanted, ticks) in [(all, 1), ((&[][..], &[][..]), 2)] {
            say(&workers, wanted, 0, Some("the disk is full"), ticks);
            assert!(serve("k", ticks) && !serve("shop.a", ticks), "the other goes on");
            assert_eq!(why("shop.a", ticks).as_deref(), Some("worker w takes no jobs now: the disk is full"));
        }
        assert_eq!((why("other", 2), why("k", SERVES_MILLIS + 3)), (None, None));
        let shown = &workers.list(2)[1];
        assert_eq!(
            (shown.trouble.as_deref(), shown.kinds.len(), shown.is_taking),
            (Some("the disk is full"), 1, false)
        );
        say(&workers, (&[], &[]), 1, None, 3);
        assert!(serve("shop.a", 3) && why("k", 3).is_none() && workers.list(3)[1].trouble.is_none());
    }

    #[test]
    fn a_run_shows_its_worker_that_has_not_asked_yet() {
        let workers = Workers::default();
        assert!(workers.saw_run(JobNo(1), "w", 5, Timestamp(5)) && !workers.saw_run(JobNo(1), "w", 6, Timestamp(6)));
        let shown = &workers.list(6)[0];
        assert_eq!((&*shown.name, shown.running, shown.last_seen, shown.is_taking), ("w", 1, Timestamp(6), false));
        workers.hold(7 + SILENT_MILLIS);
        assert!(!workers.hold_something(), "it is silent");
        workers.hold(6 + SILENT_MILLIS);
        assert!(workers.hold_something());
        assert_eq!(workers.run_over(JobNo(1)), None, "nobody saw it start");
        assert_eq!((workers.list(6)[0].running, workers.hold_something()), (0, false));
        workers.0.lock().begin(JobNo(2), "w", None);
        assert!(!workers.hold_something(), "begun elsewhere");
        workers.saw_run(JobNo(2), "w", 7, Timestamp(7));
        assert!(workers.hold_something(), "it is spoken of here");
        workers.hand_over(JobNo(2));
        workers.saw_run(JobNo(2), "w", 8, Timestamp(8));
        assert!(!workers.hold_something(), "it is handed over");
        workers.hold(8);
        assert!(!workers.hold_something(), "and was before");
        workers.0.lock().begin(JobNo(2), "w", None);
        workers.hold(8);
        assert!(workers.hold_something(), "another run of the same job is not");
    }
}
