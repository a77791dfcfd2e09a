//! Hints that the feed has grown: what one node writes, the others hear of over a connection of their own that listens.
//! Only hints: where none come through, as behind a pooler, and where one is lost, the tailer looks by itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::postgres::connection::anchor::Use;
use crate::postgres::connection::connector::Connector;
use crate::postgres::connection::timeouts::{PATIENCE, within};
use crate::postgres::error::PgError;
use crate::postgres::shared::Shared;

/// How long a hint of our own may take to come back before it is taken for lost.
const ECHO: Duration = Duration::from_secs(2);
/// Pauses before another connection is tried.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_MOST: Duration = Duration::from_secs(60);
/// Least time between two hints: what is written meanwhile shares the next one.
const APART: Duration = Duration::from_millis(2);

/// Listens, on one connection after the other, and tells the others when this node wrote.
pub(crate) async fn listen(shared: Arc<Shared>, connector: Connector) {
    let mut pause = AGAIN;
    loop {
        let Err(error) = listen_once(&shared, &connector).await;
        // What was notified while nobody listened is found by a look.
        shared.feed.behind.notify_one();
        if shared.hints.heard.swap(false, Ordering::Relaxed) {
            pause = AGAIN;
        }
        tracing::debug!(trouble = %error, "no hints of other nodes; the feed is looked at instead");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AGAIN_MOST);
    }
}

/// Ends with the connection.
async fn listen_once(shared: &Shared, connector: &Connector) -> Result<std::convert::Infallible, PgError> {
    let (ear, mut heard) = unbounded_channel();
    let (db, _driver) = within(2 * PATIENCE, connector.open(Use::Hints, Some(ear))).await?;
    let own = format!("{:016x}", rand::random::<u64>());
    within(PATIENCE, async { Ok(db.batch_execute("LISTEN raincheck").await?) }).await?;
    // Behind a pooler that hands out connections by the transaction, this one listens to nothing, except to itself: what it
    // tells may come back with the answer. So the proof comes by way of another.
    tell(&***shared.reader(Instant::now() + PATIENCE).await?, &own).await?;
    let echo = async {
        while heard.recv().await? != own {}
        Some(())
    };
    if !matches!(timeout(ECHO, echo).await, Ok(Some(()))) {
        return Err(PgError::Unreachable("notifications do not come through; is there a pooler?".to_owned()));
    }
    shared.hints.heard.store(true, Ordering::Relaxed);
    loop {
        tokio::select! {
            who = heard.recv() => match who {
                Some(who) if who == own => {}
                Some(_) => shared.feed.behind.notify_one(),
                None => return Err(PgError::Unreachable("the connection that listens ended".to_owned())),
            },
            () = shared.hints.wrote.notified() => {
                if shared.hints.others.load(Ordering::Relaxed) {
                    tell(&db, &own).await?;
                    tokio::time::sleep(APART).await;
                }
            }
        }
    }
}

/// Tells every node. That is nothing that must be on disk, so nobody waits for one; and it is a transaction of its own,
/// because one that tells holds up every other that does.
async fn tell(db: &Client, own: &str) -> Result<(), PgError> {
    let sql = format!("BEGIN; SET LOCAL synchronous_commit = off; NOTIFY raincheck, '{own}'; COMMIT");
    within(PATIENCE, async { Ok(db.batch_execute(&sql).await?) }).await
}
