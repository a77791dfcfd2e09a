//! Results, joined to the events that tell of them: read once, however many watch.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use raincheck_core::JobNo;
use raincheck_store::ResultInfo;
use tokio::sync::OnceCell;

/// The latest so many are kept: those who watch hear of an event one after the other.
const KEPT: usize = 64;

pub(crate) type Shown = Arc<OnceCell<Option<Arc<ResultInfo>>>>;

/// The results of jobs that were published lately.
#[derive(Default)]
pub(crate) struct Results(Mutex<VecDeque<(JobNo, Shown)>>);

impl Results {
    /// That of a job; empty until somebody has read it.
    pub(crate) fn of(&self, no: JobNo) -> Shown {
        let mut kept = self.0.lock();
        if let Some((_, shown)) = kept.iter().rev().find(|(job, _)| *job == no) {
            return shown.clone();
        }
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let shown = Shown::default();
        kept.push_back((no, shown.clone()));
        shown
    }

    /// Numbers of jobs may mean other ones from now on.
    pub(crate) fn forget(&self) {
        self.0.lock().clear();
    }
}
