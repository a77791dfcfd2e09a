//! How many wait and run where, and how many may.

use std::collections::BTreeMap;

use raincheck_core::{Expected, Job, Name, Object, ObjectKind, Put, QueueSettings, State};

/// What is counted of one queue or kind.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub by_state: [u64; 7],
    pub settings: QueueSettings,
}

impl Line {
    pub fn waiting(&self) -> u64 {
        self.by_state[..State::Running as usize].iter().sum()
    }

    pub fn over_cap(&self) -> bool {
        self.settings.concurrency.is_some_and(|cap| self.by_state[State::Running as usize] > u64::from(cap))
    }
}

/// What is counted of everything.
#[derive(Debug)]
pub(super) struct Counts {
    pub queues: BTreeMap<Name, Line>,
    pub kinds: BTreeMap<Name, Line>,
    /// Every named object there ever was, and whether it is there.
    objects: BTreeMap<(ObjectKind, Name), (Object, bool)>,
    max_queued: u64,
    max_in_all: u64,
}

impl Counts {
    pub fn new(setup: &crate::Setup, kind_caps: &BTreeMap<Name, u32>) -> Self {
        let capped = |cap: &u32| QueueSettings { concurrency: Some(*cap), ..QueueSettings::default() };
        let kinds =
            kind_caps.iter().map(|(name, cap)| (name.clone(), Line { settings: capped(cap), ..Line::default() }));
        let (max_queued, max_in_all) = (setup.max_queued, setup.max_in_all);
        let (queues, objects) = (BTreeMap::new(), BTreeMap::new());
        Counts { queues, kinds: kinds.collect(), objects, max_queued, max_in_all }
    }

    pub fn moved(&mut self, job: &Job, from: Option<State>, to: Option<State>) {
        let queue = self.queues.entry(job.queue.clone()).or_default();
        let kind = self.kinds.entry(job.kind.clone()).or_default();
        for line in [queue, kind] {
            if let Some(state) = from {
                line.by_state[state as usize] -= 1;
            }
            if let Some(state) = to {
                line.by_state[state as usize] += 1;
            }
        }
    }

    /// Every named object that is there.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().filter(|(_, there)| *there).map(|(object, _)| object)
    }

    fn object(&self, kind: ObjectKind, name: &Name) -> Option<&Object> {
        self.objects.get(&(kind, name.clone())).filter(|(_, there)| *there).map(|(object, _)| object)
    }

    /// A named object was put; answers whether that is right.
    pub fn put(&mut self, asked: &Put, object: &Object, is_new: bool) -> bool {
        let before = self.object(asked.kind, &asked.name);
        let as_expected = match asked.expected {
            Expected::Anything => true,
            Expected::Absent => before.is_none(),
            Expected::Present => before.is_some(),
            Expected::Version(version) => before.is_some_and(|before| before.version == version),
        };
        let right = as_expected && is_new == before.is_none() && before.is_none_or(|b| b.version < object.version);
        let at = (asked.kind, asked.name.clone());
        self.objects.insert(at.clone(), (object.clone(), true));
        right && at == (object.kind, object.name.clone()) && object.body == asked.body
    }

    /// A change of a named object was refused, because that is what there is; answers whether it is.
    pub fn differs(&self, kind: ObjectKind, name: &Name, expected: Expected, reply: Option<&Object>) -> bool {
        let found = self.object(kind, name);
        let fits = match expected {
            Expected::Anything => true,
            Expected::Absent => found.is_none(),
            Expected::Present => found.is_some(),
            Expected::Version(version) => found.is_some_and(|found| found.version == version),
        };
        !fits && found == reply
    }

    /// A named object was deleted; answers whether it was there, and of that version.
    pub fn delete(&mut self, kind: ObjectKind, name: &Name, expected: Expected) -> bool {
        let Some((object, there)) = self.objects.get_mut(&(kind, name.clone())) else { return false };
        let right = *there && !matches!(expected, Expected::Version(version) if version != object.version);
        *there = false;
        right && expected != Expected::Absent
    }

    /// There is no such named object.
    pub fn lacks(&self, kind: ObjectKind, name: &Name) -> bool {
        self.object(kind, name).is_none()
    }

    pub fn queue_is_full(&self, name: &Name) -> bool {
        let line = self.queues.get(name);
        let most = line.and_then(|line| line.settings.max_queued).unwrap_or(self.max_queued);
        line.map_or(0, Line::waiting) >= most
    }

    pub fn all_is_full(&self) -> bool {
        self.queues.values().map(Line::waiting).sum::<u64>() >= self.max_in_all
    }
}
