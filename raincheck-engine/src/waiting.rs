use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;

use raincheck_core::{JobNo, Name, Pattern, Wanted, limits};
use tokio::sync::Notify;

/// The line of those who wait for work, oldest first.
#[derive(Default)]
pub(crate) struct Waiting {
    last: u64,
    all: HashMap<u64, Place>,
    /// Waiters by what they serve: kinds, kinds that a pattern matches, or whatever there is in a queue. One that was
    /// woken is taken out of what woke it until it is armed again, and passed over elsewhere.
    by_kind: Served<Name>,
    by_pattern: Served<Pattern>,
    by_queue: Served<Name>,
    /// In all places together: what each costs.
    names: usize,
}

type Served<K> = HashMap<K, Line>;

/// Those who serve the same.
#[derive(Default)]
struct Line {
    ids: BTreeSet<u64>,
    /// Who was woken last by a chain: the next one goes on behind it. It may have been told of a job in a queue that it
    /// does not serve, and those behind it must have their turn.
    turn: u64,
}

/// One place in the line.
struct Place {
    queues: Box<[Name]>,
    kinds: Box<[Name]>,
    patterns: Box<[Pattern]>,
    armed: bool,
    wake: Option<Wake>,
    /// What it was taken out of.
    out_of: Option<Serving>,
    notify: Arc<Notify>,
}

/// A way in which a waiter serves.
#[derive(Clone, Debug)]
enum Serving {
    Kind(Name),
    Pattern(Pattern),
    Queue(Name),
}

/// Why somebody is woken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wake {
    /// Where work may be; `None` is anywhere.
    pub(crate) queue: Option<Name>,
    /// Of what kind; `None` is any, for those who take any.
    pub(crate) kind: Option<Name>,
    /// The job that became ready.
    pub(crate) job: Option<JobNo>,
    /// Whoever finds something wakes the next: nobody knows how much there is.
    pub(crate) chain: bool,
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether somebody waits for jobs of this kind in this queue.
    pub(crate) fn serves(&self, queue: &Name, kind: &Name) -> bool {
        let by_pattern = self.matching(kind).map(|(_, line)| line);
        let lines = self.by_kind.get(kind).into_iter().chain(by_pattern).chain(self.by_queue.get(queue));
        let mut places = lines.flat_map(|line| &line.ids).filter_map(|id| self.all.get(id));
        places.any(|place| place.wanted().job(queue, kind))
    }

    /// Whether somebody may: at a glance.
    pub(crate) fn may_serve(&self, queue: &Name, kind: &Name) -> bool {
        self.by_queue.contains_key(queue) || self.by_kind.contains_key(kind) || self.matching(kind).next().is_some()
    }

    fn matching(&self, kind: &Name) -> impl Iterator<Item = (&Pattern, &Line)> {
        self.by_pattern.iter().filter(|(pattern, _)| pattern.matches(kind))
    }

    /// A new place at the end, unless the line is full.
    pub(crate) fn join(&mut self, wanted: Wanted<'_>, notify: Arc<Notify>) -> Option<u64> {
        let Wanted { queues, kinds, patterns } = wanted;
        let names = queues.len() + kinds.len() + patterns.len();
        if self.names + names > limits::WAITING_NAMES && names > limits::FEW_NAMES {
            return None;
        }
        let others = patterns.iter().filter(|pattern| !self.by_pattern.contains_key(*pattern)).count();
        if others > 0 && self.by_pattern.len() + others > limits::WAITING_PATTERNS {
            return None;
        }
        self.names += names;
        self.last += 1;
        let place = Place {
            queues: queues.into(),
            kinds: kinds.into(),
            patterns: patterns.into(),
            armed: false,
            wake: None,
            out_of: None,
            notify,
        };
        place.servings().for_each(|serving| self.put(serving, self.last));
        self.all.insert(self.last, place);
        Some(self.last)
    }

    /// Makes a waiter ready to be woken, and answers the wake it got since it was last armed.
    pub(crate) fn arm(&mut self, id: u64) -> Option<Wake> {
        let place = self.all.get_mut(&id)?;
        place.armed = true;
        let wake = place.wake.take();
        if let Some(serving) = place.out_of.take() {
            self.put(serving, id);
        }
        wake
    }

    /// Takes back the wake of a waiter when it is `used`.
    pub(crate) fn discharge(&mut self, id: u64, used: impl Fn(&Wake) -> bool) {
        if let Some(place) = self.all.get_mut(&id) {
            place.wake = place.wake.take().filter(|wake| !used(wake));
        }
    }

    /// Removes a waiter, and answers the wake it did not use.
    pub(crate) fn leave(&mut self, id: u64) -> Option<Wake> {
        let place = self.all.remove(&id)?;
        self.names -= place.queues.len() + place.kinds.len() + place.patterns.len();
        for serving in place.servings() {
            match serving {
                Serving::Kind(kind) => take_out(&mut self.by_kind, &kind, id),
                Serving::Pattern(pattern) => take_out(&mut self.by_pattern, &pattern, id),
                Serving::Queue(queue) => take_out(&mut self.by_queue, &queue, id),
            }
        }
        place.wake
    }

    /// Wakes the first armed waiter that serves; answers whether there was one.
    pub(crate) fn wake(&mut self, wake: Wake) -> bool {
        let Some((id, serving)) = self.first(&wake) else { return false };
        let line = match &serving {
            Serving::Kind(kind) => self.by_kind.get_mut(kind),
            Serving::Pattern(pattern) => self.by_pattern.get_mut(pattern),
            Serving::Queue(queue) => self.by_queue.get_mut(queue),
        };
        if let Some(line) = line {
            line.ids.remove(&id);
            line.turn = if wake.chain { id } else { line.turn };
        }
        if let Some(place) = self.all.get_mut(&id) {
            place.armed = false;
            place.out_of = Some(serving);
            place.wake = Some(wake);
            place.notify.notify_one();
        }
        true
    }

    /// The oldest of those who serve, whichever way they do.
    fn first(&self, wake: &Wake) -> Option<(u64, Serving)> {
        let serves = |place: &Place| {
            let queue = wake.queue.as_ref().filter(|_| !place.queues.is_empty());
            place.armed && queue.is_none_or(|queue| place.queues.contains(queue))
        };
        let mut found: Option<((bool, u64), Serving)> = None;
        let mut offer = |line: &Line, serving: &dyn Fn() -> Serving| {
            let turn = if wake.chain { line.turn } else { 0 };
            let mut ids = line.ids.range(turn + 1..).chain(line.ids.range(..=turn)).copied();
            let first = ids.find(|id| self.all.get(id).is_some_and(serves)).map(|id| (id <= turn, id));
            if let Some(first) = first.filter(|first| found.as_ref().is_none_or(|(oldest, _)| first < oldest)) {
                found = Some((first, serving()));
            }
        };
        if let Some(kind) = &wake.kind {
            if let Some(line) = self.by_kind.get(kind) {
                offer(line, &|| Serving::Kind(kind.clone()));
            }
            for (pattern, line) in self.matching(kind) {
                offer(line, &|| Serving::Pattern(pattern.clone()));
            }
        }
        if let Some((queue, line)) = wake.queue.as_ref().and_then(|queue| self.by_queue.get_key_value(queue)) {
            offer(line, &|| Serving::Queue(queue.clone()));
        }
        found.map(|((_, id), serving)| (id, serving))
    }

    fn put(&mut self, serving: Serving, id: u64) {
        let line = match serving {
            Serving::Kind(kind) => self.by_kind.entry(kind).or_default(),
            Serving::Pattern(pattern) => self.by_pattern.entry(pattern).or_default(),
            Serving::Queue(queue) => self.by_queue.entry(queue).or_default(),
        };
        line.ids.insert(id);
    }
}

impl Place {
    fn wanted(&self) -> Wanted<'_> {
        Wanted { queues: &self.queues, kinds: &self.kinds, patterns: &self.patterns }
    }

    /// Every way in which it serves.
    fn servings(&self) -> impl Iterator<Item = Serving> {
        let any_kind = self.wanted().any_kind();
        let queues = self.queues.iter().filter(move |_| any_kind).cloned().map(Serving::Queue);
        let (kinds, patterns) = (self.kinds.iter().cloned(), self.patterns.iter().cloned());
        kinds.map(Serving::Kind).chain(patterns.map(Serving::Pattern)).chain(queues)
    }
}

fn take_out<K: Eq + Hash>(served: &mut Served<K>, key: &K, id: u64) {
    if let Some(line) = served.get_mut(key) {
        line.ids.remove(&id);
        if line.ids.is_empty() {
            served.remove(key);
        }
    }
}
