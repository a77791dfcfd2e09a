//! Who serves which kinds.

use std::collections::{BTreeSet, HashMap};

use raincheck_core::{Name, limits};
use raincheck_engine::WorkerInfo;
use raincheck_store::KindStats;

use super::app::App;

/// So many workers that serve by patterns or by queues alone are held against each kind.
const UNNAMED: usize = 100;

/// Workers that take jobs now, and where to look for those that serve a kind.
pub struct Serving {
    workers: Vec<WorkerInfo>,
    /// Of very many, as many as an answer has room for.
    by_kind: HashMap<Name, Vec<usize>>,
    unnamed: Vec<usize>,
}

impl Serving {
    /// As it is now.
    pub fn of(app: &App) -> Self {
        let mut workers = app.engine.workers();
        workers.retain(|worker| worker.is_taking);
        let mut by_kind: HashMap<Name, Vec<usize>> = HashMap::new();
        let mut room = limits::RIDING_BYTES;
        for (at, worker) in workers.iter().enumerate() {
            for kind in worker.kinds.iter() {
                room = room.saturating_sub(worker.name.len() + 3);
                if room > 0 {
                    by_kind.entry(kind.clone()).or_default().push(at);
                }
            }
        }
        let unnamed =
            (0..workers.len()).filter(|at| !workers[*at].patterns.is_empty() || workers[*at].kinds.is_empty());
        let unnamed = unnamed.take(UNNAMED).collect();
        Serving { workers, by_kind, unnamed }
    }

    /// Those that serve a kind in one of its queues.
    pub fn of_kind(&self, kind: &KindStats) -> ServingKind<'_> {
        let by_name = self.by_kind.get(&kind.name).map_or(&[][..], Vec::as_slice);
        let may = by_name.iter().chain(&self.unnamed).collect::<BTreeSet<_>>();
        let workers = may.into_iter().map(|at| &self.workers[*at]);
        let serving = workers.filter(|worker| kind.queues.iter().any(|queue| worker.serves(queue, &kind.name)));
        ServingKind { workers: serving.map(|worker| &*worker.name).collect() }
    }
}

/// Workers that serve a kind.
pub struct ServingKind<'s> {
    /// Their names, in order.
    pub workers: Vec<&'s str>,
}

impl ServingKind<'_> {
    /// Whether there is one, or somebody waits for such jobs.
    pub fn is_served(&self, app: &App, kind: &KindStats) -> bool {
        !self.workers.is_empty() || kind.queues.iter().any(|queue| app.engine.is_waited_for(queue, &kind.name))
    }
}
