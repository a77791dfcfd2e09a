//! The number of this node among those that serve the data: its lane among job numbers, its rows among the counters.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_postgres::GenericClient;
use uuid::Uuid;

use super::shared::{NOW, Shared, Trouble};

/// Nodes that may serve the data at once; their number is six bits of a job's.
pub(super) const NODES: i32 = 64;
/// How often a node shows that it lives.
const SHOW: Duration = Duration::from_secs(2);
/// A node that was not seen for so long, milliseconds, serves nobody.
pub(super) const ALIVE: i64 = 6_000;
/// A node that was not seen for so long, milliseconds, has lost its number. One that goes on all the same meets the unique
/// index of job numbers.
pub(super) const FORGET: i64 = 60_000;

/// A number held.
pub(super) struct Held {
    pub number: i32,
    pub token: Uuid,
    /// Nobody else serves the data.
    pub is_alone: bool,
    /// Nor did anybody for so long that whoever did has nothing under way.
    pub is_first: bool,
}

/// Takes the lowest free number, in a transaction of its own.
pub(super) async fn take(db: &impl GenericClient) -> Result<Held, Trouble> {
    db.batch_execute("BEGIN; LOCK TABLE node IN SHARE ROW EXCLUSIVE MODE").await?;
    match take_locked(db).await {
        Ok(held) => {
            db.batch_execute("COMMIT").await?;
            Ok(held)
        }
        Err(trouble) => {
            db.batch_execute("ROLLBACK").await?;
            Err(trouble)
        }
    }
}

async fn take_locked(db: &impl GenericClient) -> Result<Held, Trouble> {
    let seen = format!("SELECT number, seen_at > {NOW} - {ALIVE} FROM node WHERE seen_at > {NOW} - {FORGET}");
    let (mut taken, mut is_alone) = (Vec::new(), true);
    for row in db.query(&seen, &[]).await? {
        taken.push(row.try_get::<_, i32>(0)?);
        is_alone &= !row.try_get::<_, bool>(1)?;
    }
    let number = (0..NODES).find(|number| !taken.contains(number));
    let number = number.ok_or_else(|| Trouble::Unsuitable(format!("{NODES} nodes serve this data already")))?;
    let token = Uuid::from_u128(rand::random());
    let put = format!(
        "INSERT INTO node VALUES ($1, $2, {NOW}) ON CONFLICT (number) DO UPDATE SET token = $2, seen_at = {NOW}"
    );
    db.execute(&put, &[&number, &token]).await?;
    Ok(Held { number, token, is_alone, is_first: taken.is_empty() })
}

/// Shows every now and then that this node lives, until it is dropped. One whose number was given to another takes a new
/// one.
pub(super) async fn keep(shared: Arc<Shared>, token: Arc<Mutex<Uuid>>) {
    loop {
        tokio::time::sleep(SHOW).await;
        if let Err(trouble) = show(&shared, &token).await {
            tracing::debug!(%trouble, "this node cannot show that it lives");
        }
    }
}

async fn show(shared: &Shared, token: &Mutex<Uuid>) -> Result<(), Trouble> {
    let number = shared.node.load(Ordering::Acquire);
    let db = shared.reader().await?;
    let sql = format!("UPDATE node SET seen_at = {NOW} WHERE number = $1 AND token = $2");
    let own = *token.lock();
    let statement = db.prepare_cached(&sql).await?;
    if db.execute(&statement, &[&number, &own]).await? == 0 {
        let held = take(&**db).await?;
        tracing::warn!(number, new = held.number, "this node was silent for so long that another has its number");
        *token.lock() = held.token;
        shared.node.store(held.number, Ordering::Release);
    }
    Ok(())
}

/// Gives the number back.
pub(super) async fn leave(db: &impl GenericClient, shared: &Shared, token: Uuid) -> Result<(), Trouble> {
    let number = shared.node.load(Ordering::Acquire);
    db.execute("DELETE FROM node WHERE number = $1 AND token = $2", &[&number, &token]).await?;
    Ok(())
}
