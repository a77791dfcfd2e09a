//! Looks for half-written payloads that nobody writes any more, from time to time.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use raincheck_store::{Litter, StoreError};

use crate::Engine;

pub(crate) async fn run(engine: Engine) {
    let every = Duration::from_millis(engine.0.settings.litter_every.max(1) as u64);
    let mut seen = Litter::default();
    loop {
        match engine.store().blobs().remove_litter(std::mem::take(&mut seen)).await {
            Ok((removed, now)) => {
                seen = now;
                if removed > 0 {
                    engine.counters().litter.fetch_add(removed as u64, Relaxed);
                    tracing::info!(removed, "removed half-written payloads that nobody writes any more");
                }
            }
            Err(error) => engine.loop_failed("removing half-written payloads", &StoreError::Other(error.to_string())),
        }
        tokio::time::sleep(every).await;
    }
}
