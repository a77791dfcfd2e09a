//! The loops, begun and ended.

use std::sync::Arc;

use raincheck_core::Clock;
use raincheck_store::{Store, StoreError};

use crate::maintenance::{self, litter, orphans, selfcheck};
use crate::{Engine, Settings, fallback_poll, flush, pulse, tail};

impl Engine {
    /// Starts the loops over `store`; they run until [`Engine::stop`]. Needs a tokio runtime with time enabled.
    pub async fn start(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: Settings) -> Result<Engine, StoreError> {
        store.health()?;
        let commits = store.commits();
        let engine = Engine::over(store, clock, settings)?;
        engine.0.clock.beat();
        engine.spawn(pulse::run(engine.clone()));
        engine.spawn(tail::run(engine.clone(), commits));
        engine.spawn(maintenance::run(engine.clone()));
        engine.spawn(flush::run(engine.clone()));
        engine.spawn(fallback_poll::run(engine.clone()));
        engine.spawn(selfcheck::run(engine.clone()));
        engine.spawn(litter::run(engine.clone()));
        engine.spawn(orphans::run(engine.clone()));
        Ok(engine)
    }

    /// Runs a task that ends when the engine stops, wherever it is then.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stopped = self.0.stopped.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Stops the loops and closes the store, after what waits to be written was; for after the last request.
    /// Again is fine.
    pub async fn stop(&self) {
        self.drain();
        self.flush_reports().await;
        self.0.stopped.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        self.0.store.close().await;
    }
}
