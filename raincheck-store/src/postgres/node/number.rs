//! The number of this node among those that serve the data: its lane among job numbers, its rows among the counters. A
//! node that was silent for too long loses it, and can write nothing more under it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_postgres::GenericClient;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::postgres::error::PgError;
use crate::postgres::locks::{NODE_LOCK, end_holders};
use crate::postgres::node::clock::NOW;
use crate::postgres::shared::Shared;

/// Nodes that may serve the data at once; their number is six bits of a job's.
pub(crate) const NODES: i32 = 64;
/// A node that was not seen for so long, milliseconds, serves nobody.
pub(crate) const ALIVE: i64 = 6_000;
/// A node that was not seen for so long, milliseconds, has lost its number, as soon as another one starts.
pub(crate) const FORGET: i64 = 60_000;
/// How often that lock is asked for, a quarter of a second each: the others can't show meanwhile that they live.
const TRIES: u32 = 4;

/// A number held.
pub(crate) struct Held {
    pub number: i32,
    pub token: Uuid,
    /// Nobody else serves the data.
    pub is_alone: bool,
    /// Nor did anybody for so long that whoever did can write nothing more.
    pub is_first: bool,
}

/// Takes the lowest free number, in a transaction of its own.
pub(crate) async fn take(db: &impl GenericClient) -> Result<Held, PgError> {
    db.batch_execute("BEGIN; LOCK TABLE node IN SHARE ROW EXCLUSIVE MODE").await?;
    match take_locked(db).await {
        Ok(held) => {
            db.batch_execute("COMMIT").await?;
            Ok(held)
        }
        Err(error) => {
            db.batch_execute("ROLLBACK").await?;
            Err(error)
        }
    }
}

async fn take_locked(db: &impl GenericClient) -> Result<Held, PgError> {
    let seen = format!("SELECT number, seen_at > {NOW} - {ALIVE}, seen_at > {NOW} - {FORGET} FROM node");
    let (mut taken, mut fenced, mut is_alone) = (Vec::new(), Vec::new(), true);
    for row in db.query(&seen, &[]).await? {
        let number: i32 = row.try_get(0)?;
        is_alone &= !row.try_get::<_, bool>(1)?;
        if row.try_get::<_, bool>(2)? || !fence(db, number).await? {
            taken.push(number);
        } else {
            fenced.push(number);
        }
    }
    // One that was just taken away comes last: whoever had it takes what others write under it for its own until it
    // knows better.
    let free = |number: &i32| !taken.contains(number);
    let number = (0..NODES).filter(free).min_by_key(|number| fenced.contains(number));
    let number = number.ok_or(PgError::Full(NODES))?;
    let token = Uuid::from_u128(rand::random());
    db.execute(&format!("INSERT INTO node VALUES ($1, $2, {NOW})"), &[&number, &token]).await?;
    Ok(Held { number, token, is_alone, is_first: taken.is_empty() })
}

/// Takes its number from a node that was silent for too long. What it has under way is ended first; what it begins
/// afterwards finds that the number is not its own. Answers whether that was possible.
async fn fence(db: &impl GenericClient, number: i32) -> Result<bool, PgError> {
    // At once after the end of those that have it, and waiting in line: a node that just goes on would have it again.
    let seize = format!(
        "SAVEPOINT fence; SET LOCAL lock_timeout = '250ms'; {}; SELECT pg_advisory_xact_lock({NODE_LOCK}, {number})",
        end_holders(NODE_LOCK, &number.to_string())
    );
    for _ in 0..TRIES {
        match db.batch_execute(&seize).await {
            Ok(()) => {
                db.execute("DELETE FROM node WHERE number = $1", &[&number]).await?;
                tracing::warn!(number, "a node was silent for so long that it counts as dead");
                return Ok(true);
            }
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                db.batch_execute("ROLLBACK TO SAVEPOINT fence").await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

impl Shared {
    /// Takes over a number.
    pub fn be(&self, held: &Held) {
        let mut token = self.token.lock();
        *token = held.token;
        self.node.store(held.number, Ordering::Release);
    }

    /// Takes another number, where this node has still the one that it lost.
    pub async fn be_another(&self, db: &impl GenericClient, lost: Uuid) -> Result<(), PgError> {
        let _one = self.taking.lock().await;
        let (number, token) = self.identity();
        if token == lost {
            let held = take(db).await?;
            tracing::warn!(number, new = held.number, "this node was silent for so long that it counted as dead");
            self.be(&held);
        }
        Ok(())
    }
}

/// Gives the number back.
pub(crate) async fn leave(db: &impl GenericClient, shared: &Arc<Shared>) -> Result<(), PgError> {
    let (number, token) = shared.identity();
    db.execute("DELETE FROM node WHERE number = $1 AND token = $2", &[&number, &token]).await?;
    Ok(())
}
