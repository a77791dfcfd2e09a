//! Signs of life of the server itself: where they fail to come, it stood still, and nobody's lease is to blame.

use std::time::Duration;

use raincheck_core::limits;

use crate::Engine;

/// Well below what counts as a standstill.
const EVERY: Duration = Duration::from_millis(200);

/// A task of its own: no other loop's waiting may keep it.
pub(crate) async fn run(engine: Engine) {
    let mut ahead = false;
    loop {
        let beat = engine.0.clock.beat();
        if beat.stood_still > 0 {
            let millis = beat.stood_still;
            tracing::warn!(millis, "the server stood still; every running lease gets as much more");
            engine.0.due_sooner.notify_one();
        }
        if !ahead && beat.ahead > limits::CLOCK_BEHIND_MILLIS {
            let seconds = beat.ahead / 1_000;
            tracing::warn!(seconds, "the clock of this machine is behind; time goes on, and nears it slowly");
        }
        ahead = beat.ahead > limits::CLOCK_BEHIND_MILLIS;
        tokio::time::sleep(EVERY).await;
    }
}
