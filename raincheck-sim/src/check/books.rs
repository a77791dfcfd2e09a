//! How many wait and run where, and how many may.

use std::collections::BTreeMap;

use raincheck_core::{Job, Name, QueueSettings, State};

/// The books of one queue or kind.
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

/// The books of everything.
#[derive(Debug)]
pub(super) struct Books {
    pub queues: BTreeMap<Name, Line>,
    pub kinds: BTreeMap<Name, Line>,
    max_queued: u64,
    max_in_all: u64,
}

impl Books {
    pub fn new(setup: &crate::Setup, kind_caps: &BTreeMap<Name, u32>) -> Self {
        let capped = |cap: &u32| QueueSettings { concurrency: Some(*cap), ..QueueSettings::default() };
        let kinds =
            kind_caps.iter().map(|(name, cap)| (name.clone(), Line { settings: capped(cap), ..Line::default() }));
        let (max_queued, max_in_all) = (setup.max_queued, setup.max_in_all);
        Books { queues: BTreeMap::new(), kinds: kinds.collect(), max_queued, max_in_all }
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

    pub fn queue_is_full(&self, name: &Name) -> bool {
        let line = self.queues.get(name);
        let most = line.and_then(|line| line.settings.max_queued).unwrap_or(self.max_queued);
        line.map_or(0, Line::waiting) >= most
    }

    pub fn all_is_full(&self) -> bool {
        self.queues.values().map(Line::waiting).sum::<u64>() >= self.max_in_all
    }
}
