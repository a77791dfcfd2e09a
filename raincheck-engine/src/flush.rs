use raincheck_core::{Command, LeaseRef, Progress};
use tokio::time::{Instant, sleep_until};

use crate::Engine;

/// Writes reports when their time comes; sleeps while there are none.
pub(crate) async fn run(engine: Engine) {
    let reports = &engine.0.reports;
    loop {
        match reports.next() {
            None => reports.first.notified().await,
            Some(until) => {
                sleep_until(until).await;
                engine.write_reports(reports.due(Instant::now())).await;
            }
        }
    }
}

impl Engine {
    /// Writes every report that waits.
    pub(crate) async fn flush_reports(&self) {
        self.write_reports(self.0.reports.all()).await;
    }

    async fn write_reports(&self, reports: Vec<(LeaseRef, Progress)>) {
        if reports.is_empty() {
            return;
        }
        let commands = reports.into_iter().map(|(run, report)| Command::Progress(run, report)).collect();
        if let Err(error) = self.store().apply(commands).await {
            self.loop_failed("writing progress", &error);
        }
    }
}
