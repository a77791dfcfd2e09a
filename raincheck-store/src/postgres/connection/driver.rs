//! What keeps a connection going, and hears what the server says unasked.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedSender;
use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::{AsyncMessage, Connection};
use tokio_util::task::AbortOnDropHandle;

use crate::postgres::error::message_of;

/// Where hints of other nodes are handed on to.
pub(crate) type Ear = UnboundedSender<String>;

/// The task of a connection, which is cut with this.
pub(crate) struct Driver {
    pub task: AbortOnDropHandle<()>,
    pub warned: Warned,
}

/// Whether the server has warned of something that it carried out otherwise than it was asked. A commit whose wait for a
/// standby was cut short by somebody is answered like any other, and this alone tells (`SyncRepWaitForLSN` in the server's
/// `syncrep.c`). It is known before the answer is: the server says it first.
#[derive(Clone, Default)]
pub(crate) struct Warned(Arc<AtomicBool>);

impl Warned {
    /// Since the last time that this was asked.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }

    fn hear(&self, notice: &DbError) {
        tracing::debug!(%notice, "the database says");
        if notice.parsed_severity() == Some(Severity::Warning) && notice.code() == &SqlState::WARNING {
            self.0.store(true, Ordering::Release);
        }
    }
}

impl Driver {
    pub fn spawn<S, T>(mut connection: Connection<S, T>, ear: Option<Ear>) -> Driver
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let warned = Warned::default();
        let hears = warned.clone();
        let task = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match (message, &ear) {
                    (Ok(AsyncMessage::Notification(hint)), Some(ear)) => {
                        if ear.send(hint.payload().to_owned()).is_err() {
                            return;
                        }
                    }
                    (Ok(AsyncMessage::Notice(notice)), _) => hears.hear(&notice),
                    (Ok(_), _) => {}
                    (Err(error), _) => {
                        // Whoever misses it says so, once for all of them.
                        tracing::debug!(error = %message_of(&error), "a connection to the database ended");
                        return;
                    }
                }
            }
        });
        Driver { task: AbortOnDropHandle::new(task), warned }
    }
}
