//! Payloads that were found to be lost, so that they are neither read nor answered with again.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use raincheck_core::{Job, JobNo, Method, State};

/// Of so many damaged payloads it is remembered; of others it is found again.
const REMEMBERED: usize = 1_000;

/// Those that were found to be lost.
#[derive(Default)]
pub struct Damaged {
    /// The names of damaged ones.
    names: Mutex<VecDeque<Box<str>>>,
    /// The jobs of results that are damaged or gone.
    results: Mutex<Option<Arc<[JobNo]>>>,
}

impl Damaged {
    /// Whether the payload of this name is known to be damaged.
    pub fn knows(&self, name: &str) -> bool {
        self.names.lock().iter().any(|damaged| &**damaged == name)
    }

    /// The jobs whose results are lost.
    pub fn results(&self) -> Option<Arc<[JobNo]>> {
        self.results.lock().clone()
    }

    /// Remembers a damaged payload.
    pub fn add(&self, name: &str) {
        let mut all = self.names.lock();
        if !all.iter().any(|damaged| &**damaged == name) {
            all.push_back(name.into());
            if all.len() > REMEMBERED {
                all.pop_front();
            }
        }
    }

    /// Remembers the job of a lost result that could answer others.
    pub fn add_result(&self, job: &Job) {
        let mut known = self.results.lock();
        let before = known.as_deref().unwrap_or_default();
        if job.state == State::Succeeded && job.method == Method::Get && !before.contains(&job.no) {
            let kept = &before[(before.len() + 1).saturating_sub(REMEMBERED)..];
            *known = Some(kept.iter().copied().chain([job.no]).collect());
        }
    }
}
