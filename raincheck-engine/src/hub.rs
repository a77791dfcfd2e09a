use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use raincheck_core::{Event, JobNo, limits};
use raincheck_store::Commit;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

/// Events of one job that a watcher may be behind before it has to read the store.
const JOB_RING: usize = 32;
/// Events of the whole feed that a watcher may be behind before it has to read the store.
const FEED_RING: usize = 4_096;

/// Who listens to what. Each event is shared, whoever and however many listen; one that nobody listens to costs a
/// look-up.
pub(crate) struct Hub {
    topics: Mutex<HashMap<JobNo, Listed>>,
    feed: broadcast::Sender<Published>,
    heavy: Mutex<Heavy>,
    /// Touched when what was published before may not be there any more.
    history: watch::Sender<()>,
}

/// A registration for the whole feed.
pub(crate) struct FeedListener {
    events: broadcast::Receiver<Published>,
    history: watch::Receiver<()>,
}

/// An event on its way to listeners, who may be slow to hear it.
#[derive(Clone)]
enum Published {
    Light(Arc<Event>),
    /// In memory for a while only.
    Heavy(Weak<Event>),
}

/// The latest heavy events.
#[derive(Default)]
struct Heavy {
    kept: VecDeque<Arc<Event>>,
    bytes: usize,
}

/// The listeners of one job.
struct Topic {
    events: broadcast::Sender<Published>,
    /// Touched whenever there may be something new to read, bytes of a stream or log included.
    grown: watch::Sender<()>,
}

/// A topic and how many watches hold it; counted by hand, under the lock, so that the last one removes it.
struct Listed {
    topic: Arc<Topic>,
    watches: usize,
}

/// A registration for one job, from the moment it was made until it is dropped.
pub(crate) struct Watch {
    hub: Arc<Hub>,
    no: JobNo,
    /// Keeps the senders of the two receivers alive.
    _topic: Arc<Topic>,
    events: broadcast::Receiver<Published>,
    grown: watch::Receiver<()>,
    history: watch::Receiver<()>,
}

impl Default for Listed {
    fn default() -> Self {
        let topic = Topic { events: broadcast::Sender::new(JOB_RING), grown: watch::Sender::new(()) };
        Listed { topic: Arc::new(topic), watches: 0 }
    }
}

impl Default for Hub {
    fn default() -> Self {
        let (feed, history) = (broadcast::Sender::new(FEED_RING), watch::Sender::new(()));
        Hub { topics: Mutex::default(), feed, heavy: Mutex::default(), history }
    }
}

impl Hub {
    /// Listens to one job.
    pub(crate) fn watch(self: &Arc<Self>, no: JobNo) -> Watch {
        let mut topics = self.topics.lock();
        let listed = topics.entry(no).or_default();
        listed.watches += 1;
        let topic = listed.topic.clone();
        let (events, grown) = (topic.events.subscribe(), topic.grown.subscribe());
        let history = self.history.subscribe();
        Watch { hub: self.clone(), no, _topic: topic, events, grown, history }
    }

    /// Listens to the whole feed.
    pub(crate) fn watch_all(&self) -> FeedListener {
        FeedListener { events: self.feed.subscribe(), history: self.history.subscribe() }
    }

    /// Tells the listeners what was committed, in order. Called by one task only, or the order would be lost.
    pub(crate) fn publish(&self, commit: Commit) {
        if commit.history_changed {
            self.history.send_replace(());
        }
        let to_feed = self.feed.receiver_count() > 0;
        // Sent after the lock is released: a send wakes every listener of a job, and there may be thousands.
        let mut sends: Vec<(Option<Arc<Topic>>, Option<_>)> = Vec::new();
        {
            let topics = self.topics.lock();
            if topics.is_empty() && !to_feed {
                return;
            }
            for event in commit.events {
                let topic = topics.get(&event.no).map(|listed| listed.topic.clone());
                if topic.is_some() || to_feed {
                    sends.push((topic, Some(self.published(Arc::new(event)))));
                }
            }
            let grown = commit.chunks.iter().filter_map(|(no, _)| topics.get(no));
            sends.extend(grown.map(|listed| (Some(listed.topic.clone()), None)));
        }
        for (topic, event) in sends {
            // Sending fails only when the last listener has just gone.
            if let Some(topic) = topic {
                if let Some(event) = &event {
                    let _ = topic.events.send(event.clone());
                }
                topic.grown.send_replace(());
            }
            if let Some(event) = event.filter(|_| to_feed) {
                let _ = self.feed.send(event);
            }
        }
    }

    fn published(&self, event: Arc<Event>) -> Published {
        if event.weight() <= limits::LIGHT_EVENT_BYTES {
            return Published::Light(event);
        }
        let published = Published::Heavy(Arc::downgrade(&event));
        self.heavy.lock().keep(event);
        published
    }

    #[cfg(test)]
    fn watched(&self) -> usize {
        self.topics.lock().len()
    }
}

impl Published {
    /// The event; an error, as of one that was missed, when it has to be read from the store.
    fn event(self) -> Result<Arc<Event>, RecvError> {
        match self {
            Published::Light(event) => Ok(event),
            Published::Heavy(event) => event.upgrade().ok_or(RecvError::Lagged(1)),
        }
    }
}

impl Heavy {
    /// Keeps it, and of the older ones as many as there is room for.
    fn keep(&mut self, event: Arc<Event>) {
        self.bytes += event.weight();
        self.kept.push_back(event);
        while self.bytes > limits::HEAVY_EVENTS_BYTES
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.weight();
        }
    }
}

impl Watch {
    /// The next event since the registration; an error when events were missed and the store has to be read.
    pub(crate) async fn next(&mut self) -> Result<Arc<Event>, RecvError> {
        heard(&mut self.events, &mut self.history).await
    }

    /// Resolves when there may be something new to read since the last call, or since the registration.
    pub(crate) async fn changed(&mut self) {
        // The senders live in the topic and the hub that this watch holds, so there is no error.
        tokio::select! {
            _ = self.grown.changed() => {}
            _ = self.history.changed() => {}
        }
    }
}

impl FeedListener {
    /// The next event since the registration; an error when events were missed and the store has to be read.
    pub(crate) async fn next(&mut self) -> Result<Arc<Event>, RecvError> {
        heard(&mut self.events, &mut self.history).await
    }
}

/// What comes first: an event, or that those before it may not be there any more.
async fn heard(
    events: &mut broadcast::Receiver<Published>,
    history: &mut watch::Receiver<()>,
) -> Result<Arc<Event>, RecvError> {
    tokio::select! {
        biased;
        Ok(()) = history.changed() => Err(RecvError::Lagged(0)),
        published = events.recv() => published.and_then(Published::event),
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut topics = self.hub.topics.lock();
        if let Some(listed) = topics.get_mut(&self.no) {
            listed.watches -= 1;
            if listed.watches == 0 {
                topics.remove(&self.no);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::event;
    use raincheck_core::{EventData, Failure, FailureCode, State};

    fn publish(hub: &Hub, events: Vec<Event>) {
        hub.publish(Commit { events, ..Commit::default() });
    }

    #[tokio::test]
    async fn all_watchers_of_a_job_share_its_events() {
        let hub = Arc::new(Hub::default());
        let (mut one, mut two, mut feed) = (hub.watch(JobNo(1)), hub.watch(JobNo(1)), hub.watch_all());
        publish(&hub, vec![event(1, 1, State::Queued), event(2, 1, State::Queued), event(1, 2, State::Running)]);
        let (first, second) = (one.next().await.unwrap(), two.next().await.unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        assert!(Arc::ptr_eq(&first, &feed.next().await.unwrap()));
        assert_eq!(feed.next().await.unwrap().no, JobNo(2));
        assert_eq!(one.next().await.unwrap().seq, 2);
    }

    #[tokio::test]
    async fn whoever_falls_behind_is_told() {
        let hub = Arc::new(Hub::default());
        let mut watch = hub.watch(JobNo(1));
        publish(&hub, (1..=JOB_RING as u32 + 1).map(|seq| event(1, seq, State::Running)).collect());
        assert_eq!(watch.next().await.unwrap_err(), RecvError::Lagged(1));
        assert_eq!(watch.next().await.unwrap().seq, 2);
    }

    #[tokio::test]
    async fn who_listens_slowly_keeps_no_heavy_events() {
        let hub = Arc::new(Hub::default());
        let mut watches: Vec<_> = (0..100).map(|no| hub.watch(JobNo(no))).collect();
        let mut feed = hub.watch_all();
        let heavy = |no| {
            let failure = Failure::of(FailureCode::Failed, "x".repeat(limits::ERROR_DETAIL_BYTES));
            Event { data: EventData::Failed(failure), ..event(no, 1, State::Failed) }
        };
        publish(&hub, (0..100).map(heavy).collect());
        let heard = std::iter::from_fn(|| feed.events.try_recv().ok()).filter_map(|published| published.event().ok());
        let kept: usize = heard.map(|event| event.weight()).sum();
        assert!(kept <= limits::HEAVY_EVENTS_BYTES && kept > limits::HEAVY_EVENTS_BYTES / 2, "{kept}");
        assert_eq!(watches[0].next().await.unwrap_err(), RecvError::Lagged(1), "it has to be read again");
        assert_eq!(watches[99].next().await.unwrap().no, JobNo(99));
    }

    #[tokio::test]
    async fn all_are_told_when_the_history_is_another_one() {
        let hub = Arc::new(Hub::default());
        let (mut job, mut feed) = (hub.watch(JobNo(1)), hub.watch_all());
        hub.publish(Commit { history_changed: true, ..Commit::default() });
        assert_eq!(job.next().await.unwrap_err(), RecvError::Lagged(0));
        assert_eq!(feed.next().await.unwrap_err(), RecvError::Lagged(0));
        publish(&hub, vec![event(1, 1, State::Queued)]);
        assert_eq!((job.next().await.unwrap().seq, feed.next().await.unwrap().seq), (1, 1), "and go on");
    }

    #[tokio::test]
    async fn bytes_are_hinted_without_events() {
        let hub = Arc::new(Hub::default());
        let mut watch = hub.watch(JobNo(1));
        hub.publish(Commit { chunks: vec![(JobNo(1), raincheck_core::ChunkKind::Log)], ..Commit::default() });
        watch.changed().await;
        assert!(watch.events.is_empty());
    }

    #[test]
    fn nothing_stays_of_watches_that_are_gone() {
        let hub = Arc::new(Hub::default());
        let (one, two, three) = (hub.watch(JobNo(1)), hub.watch(JobNo(1)), hub.watch(JobNo(2)));
        assert_eq!(hub.watched(), 2);
        drop((one, three));
        assert_eq!(hub.watched(), 1);
        drop(two);
        assert_eq!(hub.watched(), 0);
    }
}
