//! What became of a transaction whose connection was lost, or that was not answered in time.

use super::db::Db;
use super::node::end_holders;
use super::run::BATCH_LOCK;
use super::shared::Trouble;

/// Sees to it that a transaction has ended, and answers whether it was committed: who gets its lock knows that it has
/// ended, and if it was committed its row stands in the feed. One that is still under way is ended: nobody is left to end
/// it, and what is written from now on must not come before it.
pub(super) async fn was_committed(db: &Db, number: i64) -> Result<bool, Trouble> {
    let lock = (number % 2_147_483_647).to_string();
    db.run(&end_holders(BATCH_LOCK, &lock)).await?;
    db.run(&format!("BEGIN; SELECT pg_advisory_xact_lock({BATCH_LOCK}, {lock})")).await?;
    let rows = db.query("SELECT FROM feed WHERE batch = $1", &[&number]).await?;
    db.run("COMMIT").await?;
    Ok(!rows.is_empty())
}
