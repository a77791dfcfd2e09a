//! Which history of the data the database goes on with. After a switch to another server, or when a copy was put back, it
//! may lack what was acknowledged, and the same numbers may come to mean something else.
//!
//! Every history but the first one begins with a row of `history`, written by whichever node finds the database on a
//! server that the last row does not name. From there on cursors, transactions and names get numbers that no other
//! history can have given. Each transaction of a writer, and each look at the feed, reads which history it is in.

use std::sync::atomic::Ordering;

use tokio_postgres::GenericClient;

use super::epoch::{CURRENT, Epoch};
use super::missing::Line;
use crate::leases::Leases;
use crate::postgres::connection::anchor::TIMELINE;
use crate::postgres::error::PgError;
use crate::postgres::feed::order::Place;
use crate::postgres::locks::WRITERS_LOCK;
use crate::postgres::node::clock::{NOW, Time};
use crate::postgres::shared::Shared;
use crate::postgres::tables::leases::{ALL_LEASES, kept_lease};

const ALL: &str = "SELECT first, pos, last FROM history ORDER BY first";
/// Room for what was given out in another history and is not known here.
const AHEAD_NAMES: i64 = 1 << 16;
const AHEAD_BATCHES: i64 = 1 << 32;
/// Cursors begin with the time in microseconds: no history that began before can have come so far, and every program can
/// count in them, be its numbers IEEE 754 doubles (below 2^53).
const PER_MILLI: i64 = 1_000;

/// Where this history and the known one part: what stands there still is the same in both.
fn parting(known: &[Epoch], found: &[Epoch]) -> Option<Place> {
    let common = known.iter().zip(found).take_while(|(a, b)| a == b).count();
    let after = [known.get(common), found.get(common)];
    after.into_iter().flatten().map(|epoch| epoch.before).min_by_key(|place| place.pos)
}

/// What a server says of itself.
struct Server {
    /// Of the cluster; 0 where this user may not know it.
    system: i64,
    timeline: i32,
    /// Of the table: another one in a copy that was made by `pg_dump`.
    place: i64,
    /// The last history was written down on it.
    is_named: bool,
}

impl Shared {
    /// Looks which history a server has, and goes on with that one: what was known of another is forgotten, and whoever
    /// waits for something looks again. No transaction may be under way on the connection.
    pub async fn meet(&self, db: &impl GenericClient) -> Result<(), PgError> {
        let _one = self.history.meeting.lock().await;
        let server = Server::ask(db).await?;
        let known = self.history.epochs.lock().clone();
        let lacks = !known.is_empty() && lacks(db, &self.feed.known()).await?;
        if lacks || !server.is_named {
            let lacking = lacks.then(|| self.history.current());
            begin(db, self.clock.time, lacking).await?;
        }
        let found: Vec<Epoch> = db.query(ALL, &[]).await?.iter().map(Epoch::of).collect::<Result<_, _>>()?;
        let current = found.last().map(|epoch| epoch.first);
        let current = current.ok_or_else(|| PgError::Unreadable("the database has no history".to_owned()))?;
        if let Some(parting) = parting(&known, &found).filter(|_| !known.is_empty()) {
            self.part_at(db, parting, (&known, &found), lacks).await?;
        }
        *self.history.epochs.lock() = found;
        self.history.timeline.store(server.timeline, Ordering::Release);
        self.history.current.store(current, Ordering::Release);
        let place = self.anchor.server().map(|server| server.place).unwrap_or_default();
        let now = (place, server.timeline, current);
        let before = self.history.published.lock().replace(now.clone());
        if before.as_ref() != Some(&now) {
            let (server, timeline, history) = now;
            tracing::info!(server, timeline, history, "the database that this node is on");
        }
        Ok(())
    }

    /// Takes over a history that is the known one up to a place.
    async fn part_at(
        &self,
        db: &impl GenericClient,
        parting: Place,
        (known_epochs, found): (&[Epoch], &[Epoch]),
        lacks: bool,
    ) -> Result<(), PgError> {
        let known = self.feed.known();
        let head: i64 = db.query_one("SELECT last FROM feed ORDER BY pos DESC LIMIT 1", &[]).await?.try_get(0)?;
        let found = Line { epochs: found, last: head };
        let loss = found.lacks(&Line { epochs: known_epochs, last: known.last });
        let (events, current) = (loss.count(), found.current());
        let lost = "UPDATE history SET lost = greatest(lost, $2) \
            WHERE first = (SELECT min(first) FROM history WHERE first > $1) AND $2 > $1";
        db.execute(lost, &[&parting.last, &(parting.last + events.cast_signed())]).await?;
        let mut leases = Leases::default();
        for row in db.query(ALL_LEASES, &[]).await? {
            leases.put(kept_lease(&row)?);
        }
        self.partitions.load(db).await?;
        // What connections tell that lead elsewhere is not to be heard any more.
        self.doubts.doubt_all();
        self.names.queues.clear();
        self.names.kinds.clear();
        self.reread_names(db).await?;
        *self.leases.lock() = leases;
        self.next_due.store(0, Ordering::Release);
        self.next_expiry.store(0, Ordering::Release);
        self.feed.go_on_from(parting, current);
        self.stale.set();
        self.history.missing.go_on(loss, &found);
        // Each history begins with a transaction that is nobody's.
        let own = known_epochs.iter().filter(|epoch| !found.epochs.contains(epoch)).count();
        let transactions = (known.pos - parting.pos).max(0) - i64::try_from(own).unwrap_or(i64::MAX);
        // Other events stand under the same numbers: nobody can count those.
        let is_other = lacks && known.pos <= parting.pos;
        if transactions <= 0 && !is_other {
            tracing::warn!("the database goes on as another server; nothing that this node knew of is missing");
            return Ok(());
        }
        self.history.changes.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            transactions = transactions.max(0),
            events = (!is_other).then_some(events),
            last_transaction_there = parting.pos,
            last_transaction_known = known.pos,
            "the database goes on with another history: what was acknowledged is missing in it"
        );
        Ok(())
    }
}

/// Whether the feed lacks what is known of it.
async fn lacks(db: &impl GenericClient, known: &Place) -> Result<bool, PgError> {
    let sql = "SELECT pos, batch FROM feed WHERE pos >= $1 ORDER BY pos LIMIT 1";
    let Some(row) = db.query_opt(sql, &[&known.pos]).await? else { return Ok(true) };
    Ok(!known.may_be(row.try_get(0)?, row.try_get(1)?))
}

impl Server {
    async fn ask(db: &impl GenericClient) -> Result<Self, PgError> {
        // Those who may not read the control file have the rest to go by.
        let may = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE')";
        let may: bool = db.query_one(may, &[]).await?.try_get(0)?;
        let system = if may { "(SELECT system_identifier FROM pg_control_system())" } else { "0::bigint" };
        let sql = format!("SELECT {system}, {TIMELINE}, 'history'::regclass::oid::bigint");
        let row = db.query_one(&sql, &[]).await?;
        let (system, timeline, place): (i64, i32, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        if timeline == 0 {
            return Err(PgError::Standby);
        }
        // A database that no server was written down of is new.
        let name = "UPDATE history SET system = $1, timeline = $2, place = $3 WHERE timeline = 0";
        db.execute(name, &[&system, &timeline, &place]).await?;
        let named = "SELECT timeline = $2 AND place = $3 AND (system = $1 OR $1 = 0 OR system = 0) FROM history \
            ORDER BY first DESC LIMIT 1";
        let is_named = db.query_one(named, &[&system, &timeline, &place]).await?.try_get(0)?;
        Ok(Server { system, timeline, place, is_named })
    }
}

/// Begins another history, unless another node has: because the server is another one, or the history `lacking` lacks
/// something.
pub(crate) async fn begin(db: &impl GenericClient, time: Time, lacking: Option<i64>) -> Result<(), PgError> {
    // Whatever a writer has under way ends first: it belongs to the history before.
    let lock = format!("BEGIN; SET LOCAL lock_timeout = '2s'; SELECT pg_advisory_xact_lock({WRITERS_LOCK})");
    let begun = async {
        db.batch_execute(&lock).await?;
        let current: i64 = db.query_one(&format!("SELECT {CURRENT}"), &[]).await?.try_get(0)?;
        let server = Server::ask(db).await?;
        if !server.is_named || lacking == Some(current) { write(db, &server, time).await } else { Ok(()) }
    };
    let begun = begun.await;
    db.batch_execute(if begun.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    begun
}

async fn write(db: &impl GenericClient, server: &Server, time: Time) -> Result<(), PgError> {
    for (sequence, ahead) in [("queue_id_seq", AHEAD_NAMES), ("kind_id_seq", AHEAD_NAMES), ("batch", AHEAD_BATCHES)] {
        db.batch_execute(&format!("SELECT setval('{sequence}', nextval('{sequence}') + {ahead})")).await?;
    }
    let history = format!(
        "INSERT INTO history (first, pos, last, system, timeline, place) \
         SELECT greatest({NOW} * {PER_MILLI}, last + 2), pos, last, $1, $2, $3 FROM feed ORDER BY pos DESC LIMIT 1"
    );
    db.execute(&history, &[&server.system, &server.timeline, &server.place]).await?;
    let place = "INSERT INTO feed (pos, batch, first, last, node) SELECT pos + 1, nextval('batch'), first, first - 1, -1 \
        FROM history ORDER BY first DESC LIMIT 1";
    db.execute(place, &[]).await?;
    if time == Time::Database {
        // Whatever led here, it was not the workers' fault.
        db.execute(&format!("UPDATE lease SET until = greatest(until, {NOW} + ttl)"), &[]).await?;
    }
    tracing::warn!(timeline = server.timeline, "the database is on another server, or was put back");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(first: i64, pos: i64) -> Epoch {
        Epoch { first, before: Place { pos, last: 10 * pos, batch: 0 } }
    }

    #[test]
    fn histories_part_where_the_first_begins_that_is_not_in_both() {
        let (one, two, three) = (epoch(0, 0), epoch(1_000, 7), epoch(2_000, 9));
        let at = |known: &[Epoch], found: &[Epoch]| parting(known, found).map(|place| (place.pos, place.last));
        assert_eq!(at(&[one, two], &[one, two]), None);
        assert_eq!(at(&[one], &[one, two, three]), Some((7, 70)));
        assert_eq!(at(&[one, three], &[one, two]), Some((7, 70)), "each has gone on by itself");
        assert_eq!(at(&[one, two, three], &[one]), Some((7, 70)), "led back to the one before");
    }
}
