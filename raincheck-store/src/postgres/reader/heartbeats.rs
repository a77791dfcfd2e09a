//! Heartbeats and deadlines of running leases. The rows decide; what is in memory tells when to look.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;
use std::time::Instant;

use raincheck_core::limits::{STANDSTILL_MILLIS, TTL_LEAST_MILLIS};
use raincheck_core::{JobNo, LeaseRef, Millis, Overdue};

use crate::StoreError;
use crate::postgres::connection::pool::Object;
use crate::postgres::connection::timeouts::{PATIENCE, answered};
use crate::postgres::error::PgError;
use crate::postgres::node::clock::NOW;
use crate::postgres::shared::Shared;
use crate::postgres::tables::leases;
use crate::postgres::tables::rows;
use crate::records::{Overrun, Renewal, Renewed};

/// Extends leases, but for those whose rows somebody writes to just now.
static RENEW: LazyLock<String> = LazyLock::new(|| renewal("SKIP LOCKED"));
/// Extends leases however long it takes: one at a time, so that nobody waits for two in another order.
static RENEW_ONE: LazyLock<String> = LazyLock::new(|| renewal(""));

fn renewal(locked: &str) -> String {
    format!(
        "WITH u AS (SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bigint[]) AS u (no, attempt, ttl)), \
         kept AS (SELECT l.no, least(greatest(coalesce(u.ttl, l.ttl), $4), l.kept) AS ttl, coalesce($5, {NOW}) AS now \
         FROM lease l JOIN u ON u.no = l.no AND u.attempt = l.attempt FOR UPDATE OF l {locked}) \
         UPDATE lease l SET ttl = kept.ttl, until = kept.now + kept.ttl FROM kept WHERE l.no = kept.no \
         RETURNING l.no, l.attempt, l.ttl, l.until, l.cancel"
    )
}
/// Those that are over, or one row that says that none is yet because nobody could renew any for a while.
static OVER: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT m.unheard, l.no, l.attempt, greatest(l.until, $2 + l.ttl) - m.now, l.timeout_at - m.now \
         FROM (SELECT now, given IS NULL AND (SELECT at FROM life) < now - {STANDSTILL_MILLIS} AS unheard \
         FROM (SELECT $1::bigint AS given, coalesce($1, {NOW}) AS now) AS t) AS m \
         LEFT JOIN lease l ON NOT m.unheard AND least(l.until, l.timeout_at) <= m.now \
         AND (greatest(l.until, $2 + l.ttl) <= m.now OR l.timeout_at <= m.now) \
         WHERE m.unheard OR l.no IS NOT NULL ORDER BY least(l.until, l.timeout_at) LIMIT $3"
    )
});

/// How leases stand.
static STANDING: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT no, attempt, greatest(until, $2 + ttl) - coalesce($3, {NOW}), cancel FROM lease WHERE no = ANY($1)")
});

/// The lengths that were asked for.
type Asked = BTreeMap<LeaseRef, Option<Millis>>;

impl Shared {
    /// Extends leases, all at once; answers each.
    pub async fn renew_leases(&self, renewals: Vec<Renewal>) -> Result<Vec<Renewed>, StoreError> {
        let mut asked = Asked::new();
        for renewal in &renewals {
            let ttl = asked.entry(renewal.lease).or_default();
            *ttl = renewal.ttl.or(*ttl);
        }
        let asked = &asked;
        let renewed = self.read(|db| async move { self.renew_all(&db, asked).await }).await?;
        let answer = |renewal: &Renewal| renewed.get(&renewal.lease).copied().unwrap_or(Renewed::Lost);
        Ok(renewals.iter().map(answer).collect())
    }

    async fn renew_all(&self, db: &Object, asked: &Asked) -> Result<BTreeMap<LeaseRef, Renewed>, PgError> {
        let mut renewed = BTreeMap::new();
        if asked.is_empty() {
            return Ok(renewed);
        }
        self.renew_rows(db, &RENEW, asked, &mut renewed).await?;
        if renewed.len() == asked.len() {
            return Ok(renewed);
        }
        // Most of these are over. The rest is being written to: a call to stop, or an end that may be taken back.
        let missing: Vec<i64> = asked.keys().filter(|l| !renewed.contains_key(l)).map(|lease| lease.no.0).collect();
        let statement = db.prepare_cached(leases::SOME_LEASES).await?;
        for row in db.query(&statement, &[&missing]).await? {
            let lease = leases::kept_lease(&row)?.lease;
            if let Some(ttl) = asked.get(&lease) {
                self.renew_rows(db, &RENEW_ONE, &BTreeMap::from([(lease, *ttl)]), &mut renewed).await?;
            }
        }
        Ok(renewed)
    }

    async fn renew_rows(
        &self,
        db: &Object,
        sql: &str,
        asked: &Asked,
        renewed: &mut BTreeMap<LeaseRef, Renewed>,
    ) -> Result<(), PgError> {
        let nos: Vec<i64> = asked.keys().map(|lease| lease.no.0).collect();
        let attempts: Vec<i32> = asked.keys().map(|lease| rows::count(lease.attempt)).collect();
        let ttls: Vec<Option<i64>> = asked.values().copied().collect();
        let statement = db.prepare_cached(sql).await?;
        let least = TTL_LEAST_MILLIS;
        let ticks = self.clock.given_ticks();
        let found = db.query(&statement, &[&nos, &attempts, &ttls, &least, &ticks]).await?;
        let mut leases = self.leases.lock();
        for row in &found {
            let attempt: i32 = row.try_get(1)?;
            let lease = LeaseRef { no: JobNo(row.try_get(0)?), attempt: attempt.cast_unsigned() };
            let (ttl, until): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
            leases.extend_to(lease, ttl, until);
            renewed.insert(lease, Renewed::Extended { ttl, cancel_requested: row.try_get(4)? });
        }
        Ok(())
    }

    /// What is left of leases; extends none.
    pub async fn standing_leases(&self, leases: Vec<LeaseRef>) -> Result<Vec<Renewed>, StoreError> {
        let nos: Vec<i64> = leases.iter().map(|lease| lease.no.0).collect();
        let (regained, ticks) = (self.regained.load(Ordering::Acquire), self.clock.given_ticks());
        let (nos, regained, ticks) = (&nos, &regained, &ticks);
        let found = self.read(|db| async move {
            let statement = db.prepare_cached(&STANDING).await?;
            Ok(db.query(&statement, &[nos, regained, ticks]).await?)
        });
        let mut standing = BTreeMap::new();
        for row in found.await? {
            let attempt: i32 = row.try_get(1).map_err(PgError::from)?;
            let lease =
                LeaseRef { no: JobNo(row.try_get(0).map_err(PgError::from)?), attempt: attempt.cast_unsigned() };
            let left: i64 = row.try_get(2).map_err(PgError::from)?;
            let cancel_requested = row.try_get(3).map_err(PgError::from)?;
            standing.insert(lease, Renewed::Extended { ttl: left.max(0), cancel_requested });
        }
        Ok(leases.iter().map(|lease| standing.get(lease).copied().unwrap_or(Renewed::Lost)).collect())
    }

    /// Runs that are over by now, at most `limit`.
    pub async fn overdue_leases(&self, limit: usize) -> Result<Vec<Overrun>, StoreError> {
        let until = Instant::now() + PATIENCE;
        Ok(answered(until, self.look_for_overdue(limit, until)).await?)
    }

    async fn look_for_overdue(&self, limit: usize, until: Instant) -> Result<Vec<Overrun>, PgError> {
        let (ticks, regained) = (self.clock.given_ticks(), self.regained.load(Ordering::Acquire));
        let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let db = self.reader(until).await?;
        let statement = db.prepare_cached(&OVER).await?;
        let mut over = Vec::new();
        for row in db.query(&statement, &[&ticks, &regained, &limit_rows]).await? {
            if row.try_get::<_, Option<bool>>(0)?.unwrap_or_default() {
                self.unheard.notify_one();
                return Ok(over);
            }
            let attempt: i32 = row.try_get(2)?;
            let lease = LeaseRef { no: JobNo(row.try_get(1)?), attempt: attempt.cast_unsigned() };
            let why = Overdue::of(row.try_get(3)?, row.try_get(4)?);
            over.extend(why.map(|why| Overrun { lease, why }));
        }
        // What only memory takes for over was renewed by way of another node, or has ended there.
        let now = self.clock.lease_now();
        let supposed = self.leases.lock().overdue(now, limit);
        let stale = supposed.into_iter().map(|run| run.lease).filter(|lease| !over.iter().any(|o| o.lease == *lease));
        let stale: Vec<LeaseRef> = stale.collect();
        if !stale.is_empty() {
            self.look_at_leases(&db, &stale).await?;
        }
        Ok(over)
    }

    /// Takes over what the rows of these leases say.
    async fn look_at_leases(&self, db: &Object, leases: &[LeaseRef]) -> Result<(), PgError> {
        let nos: Vec<i64> = leases.iter().map(|lease| lease.no.0).collect();
        let statement = db.prepare_cached(leases::SOME_LEASES).await?;
        let found = db.query(&statement, &[&nos]).await?;
        let regained = self.regained.load(Ordering::Acquire);
        let mut known = self.leases.lock();
        for lease in leases {
            known.end(*lease);
        }
        for row in &found {
            let mut kept = leases::kept_lease(row)?;
            kept.lease_until = kept.lease_until.max(regained.saturating_add(kept.ttl));
            known.put(kept);
        }
        Ok(())
    }

    /// In ticks of this node's clock.
    pub fn next_overdue_lease(&self) -> Option<i64> {
        let next = self.leases.lock().next_overdue()?;
        Some(next - self.clock.lease_offset())
    }
}
