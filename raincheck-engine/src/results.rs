//! Results, joined to the events that tell of them: read once, however many watch.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use raincheck_core::{Event, EventData, JobNo};
use raincheck_store::{ResultInfo, StoreError};
use tokio::sync::OnceCell;

use crate::Engine;

/// The latest so many are kept: those who watch hear of an event one after the other.
const KEPT: usize = 64;

type Shown = Arc<OnceCell<Option<Arc<ResultInfo>>>>;

/// The results of jobs that were told of lately.
#[derive(Default)]
pub(crate) struct Results(Mutex<VecDeque<(JobNo, Shown)>>);

impl Results {
    fn of(&self, no: JobNo) -> Shown {
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

impl Engine {
    /// The result that an event tells of, as its job shows it.
    pub async fn told_result(&self, event: &Event) -> Result<Option<Arc<ResultInfo>>, StoreError> {
        if event.data != EventData::Succeeded {
            return Ok(None);
        }
        let read = async || Ok(self.store().results(&[event.no]).await?.pop().flatten().map(Arc::new));
        self.0.results.of(event.no).get_or_try_init(read).await.cloned()
    }

    /// The results that events tell of, one for each.
    pub async fn told_results(&self, events: &[Event]) -> Result<Vec<Option<ResultInfo>>, StoreError> {
        let told = |event: &&Event| event.data == EventData::Succeeded;
        let jobs: Vec<JobNo> = events.iter().filter(told).map(|event| event.no).collect();
        let mut results = self.store().results(&jobs).await?.into_iter();
        Ok(events.iter().map(|event| if told(&event) { results.next().flatten() } else { None }).collect())
    }
}
