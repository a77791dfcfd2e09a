//! Commands in, and the end of a store.

use std::time::Instant;

use raincheck_core::{Command, Reply};
use tokio::sync::oneshot;

use crate::StoreError;
use crate::postgres::PostgresStore;
use crate::postgres::connection::timeouts::{LEAST, answered};
use crate::postgres::node;
use crate::postgres::writer::task::Request;

impl PostgresStore {
    /// Gives commands to the writer and waits for its answer.
    pub(crate) async fn hand_in(&self, commands: Vec<Command>) -> Result<Vec<Reply>, StoreError> {
        let stopped = || StoreError::Stopped("the store is closed".to_owned());
        let (answer, reply) = oneshot::channel();
        let request = Request { commands, since: Instant::now(), answer };
        if self.requests.read().as_ref().is_none_or(|writer| writer.send(request).is_err()) {
            return Err(stopped());
        }
        reply.await.map_err(|_| stopped())?
    }

    /// Finishes what was taken, then gives this node's number back.
    pub(crate) async fn shut(&self) {
        *self.shared.stopped.write() = Some("the store is closed".to_owned());
        self.requests.write().take();
        let writer = self.writer.lock().take();
        if let Some(writer) = writer
            && writer.await.is_err()
        {
            tracing::error!("the writer ended by a panic");
        }
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
        if self.shared.pool.is_closed() {
            return;
        }
        let until = Instant::now() + LEAST;
        let left = async {
            let db = self.shared.reader(until).await?;
            node::leave(&***db, &self.shared).await
        };
        if let Err(trouble) = answered(until, left).await {
            tracing::warn!(%trouble, "the number of this node stays taken for a while");
        }
        self.shared.pool.close();
        if let Some(folder) = self.shared.blobs.folder()
            && let Err(error) = folder.release()
        {
            tracing::warn!(%error, "the lock of the large payloads cannot be released");
        }
    }
}
