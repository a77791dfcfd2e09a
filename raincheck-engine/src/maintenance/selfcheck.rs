//! The check of the store's own data that never ends: slow enough that nobody notices, so that a broken promise is known
//! before somebody trips over it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use raincheck_store::StoreError;
use tokio::time::{Instant, sleep};

use crate::Engine;

/// A pause is so many times as long as the piece before it took: a thousandth of one core.
const SHARE: u32 = 1_000;
const PAUSE_LEAST: Duration = Duration::from_secs(1);
const PAUSE_MOST: Duration = Duration::from_secs(60);
/// From the end of one round to the next.
const REST: Duration = Duration::from_secs(600);
/// Findings of a round that are logged; all are counted, and `doctor` names them.
const LOGGED: u64 = 20;

pub(crate) async fn run(engine: Engine) {
    loop {
        if let Err(error) = round(&engine).await {
            engine.loop_failed("looking through the data", &error);
        }
        sleep(REST).await;
    }
}

async fn round(engine: &Engine) -> Result<(), StoreError> {
    let mut checkup = engine.store().check()?;
    let mut found = 0;
    let mut pause = PAUSE_LEAST;
    loop {
        sleep(pause).await;
        let begin = Instant::now();
        let Some(page) = checkup.page().await? else { break };
        for finding in page.findings.iter().filter(|finding| !finding.invariant.is_remark()) {
            engine.counters().violations.fetch_add(1, Relaxed);
            found += 1;
            if found <= LOGGED {
                let (promise, subject) = (finding.invariant.says(), &*finding.subject);
                tracing::error!(
                    promise,
                    subject,
                    found = &*finding.detail,
                    "the data breaks a promise; see `raincheck doctor`"
                );
            }
        }
        pause = (begin.elapsed() * SHARE).clamp(PAUSE_LEAST, PAUSE_MOST);
    }
    engine.counters().checkups.fetch_add(1, Relaxed);
    Ok(())
}
