//! Seeks payloads that no job refers to, in small steps.

use std::time::Duration;

use raincheck_core::limits;
use raincheck_store::OrphanSearch;

use crate::Engine;

pub(crate) async fn run(engine: Engine) {
    let step = Duration::from_millis(engine.0.settings.orphans_step.max(1) as u64);
    let mut search = OrphanSearch::default();
    loop {
        let steps = match engine.store().seek_orphans(&mut search).await {
            Ok(false) => 1,
            Ok(true) => limits::ORPHANS_REST_STEPS,
            Err(error) => {
                engine.loop_failed("seeking payloads that no job refers to", &error);
                limits::ORPHANS_REST_STEPS
            }
        };
        tokio::time::sleep(step * steps).await;
    }
}
