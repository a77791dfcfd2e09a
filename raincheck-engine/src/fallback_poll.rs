use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use raincheck_core::State;
use raincheck_store::StoreError;

use crate::Engine;
use crate::waiting::Wake;

/// While somebody waits and something is queued, the two are brought together this often, whatever was heard.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// The net under the wakes: slots freed in another queue, another process's doings.
pub(crate) async fn run(engine: Engine) {
    let dispatch = engine.0.dispatch.clone();
    loop {
        dispatch.somebody.notified().await;
        while !dispatch.waiting.lock().is_empty() {
            let asked = tokio::select! {
                () = tokio::time::sleep(POLL_EVERY) => false,
                () = dispatch.now.notified() => true,
            };
            if (asked || !dispatch.nothing_queued.load(SeqCst))
                && let Err(error) = poll(&engine).await
            {
                engine.loop_failed("looking for queued jobs", &error);
            }
        }
    }
}

async fn poll(engine: &Engine) -> Result<(), StoreError> {
    let dispatch = &engine.0.dispatch;
    // Before the read: what is queued after it says so itself.
    dispatch.nothing_queued.store(true, SeqCst);
    let stats = engine.stats().await;
    let kinds = stats.as_ref().map_or(&[][..], |stats| &stats.kinds);
    let queues = stats.as_ref().map_or(&[][..], |stats| &stats.queues);
    let has_queued = |by_state: &[u64; 7]| by_state[State::Queued as usize] > 0;
    let kinds: Vec<_> = kinds.iter().filter(|kind| has_queued(&kind.by_state)).collect();
    if stats.is_err() || !kinds.is_empty() {
        dispatch.nothing_queued.store(false, SeqCst);
    }
    let mut waiting = dispatch.waiting.lock();
    for kind in kinds {
        waiting.wake(Wake { queue: None, kind: Some(kind.name.clone()), job: None, chain: true });
    }
    // For those who take any kind of a queue.
    for queue in queues.iter().filter(|queue| has_queued(&queue.by_state)) {
        waiting.wake(Wake { queue: queue.name.clone(), kind: None, job: None, chain: true });
    }
    stats.map(drop)
}
