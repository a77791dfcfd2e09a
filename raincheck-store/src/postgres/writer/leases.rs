//! Writes what became of leases.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::try_join;
use raincheck_core::{JobNo, LeaseRef, Millis};

use super::batch::Batch;
use super::overlay::LeaseChange;
use crate::leases::KeptLease;
use crate::postgres::error::PgError;
use crate::postgres::tables::rows;
use crate::postgres::tables::text;

const START: &str = "INSERT INTO lease SELECT * FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::bigint[], \
    $5::bigint[], $6::boolean[], $7::text[], $8::bigint[]) ON CONFLICT (no) DO UPDATE SET attempt = excluded.attempt, \
    ttl = excluded.ttl, until = excluded.until, timeout_at = excluded.timeout_at, cancel = excluded.cancel, \
    worker = excluded.worker, kept = excluded.kept";
const EXTEND: &str = "UPDATE lease l SET ttl = u.ttl, kept = u.ttl, until = u.until \
    FROM unnest($1::bigint[], $2::integer[], $3::bigint[], $4::bigint[]) AS u (no, attempt, ttl, until) \
    WHERE l.no = u.no AND l.attempt = u.attempt";
/// By number alone, which is one way to find them: a join with what is asked for might begin with the table, and pass all
/// that ended while somebody's transaction is open. The jobs are locked, so no other attempt can be there.
const END: &str = "DELETE FROM lease WHERE no = ANY($1) RETURNING no, attempt";
const STOP: &str = "UPDATE lease l SET cancel = true FROM unnest($1::bigint[], $2::integer[]) AS u (no, attempt) \
    WHERE l.no = u.no AND l.attempt = u.attempt";

impl Batch<'_> {
    pub(crate) async fn write_leases(&self) -> Result<(), PgError> {
        let changes = &self.lease_changes[self.written_leases..];
        if changes.is_empty() {
            return Ok(());
        }
        let (mut started, mut ended, mut stopped) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let mut extended = BTreeMap::new();
        for change in changes {
            match change {
                LeaseChange::Start(kept) => drop(started.insert(kept.lease.no, (kept, kept.cancel_requested))),
                LeaseChange::Extend(lease, ttl, until) => drop(extended.insert(*lease, (*ttl, *until))),
                LeaseChange::AskToStop(lease) => match started.get_mut(&lease.no) {
                    Some((kept, cancel)) if kept.lease == *lease => *cancel = true,
                    _ => drop(stopped.insert(*lease)),
                },
                LeaseChange::End(lease) => {
                    if started.get(&lease.no).is_some_and(|(kept, _)| kept.lease == *lease) {
                        started.remove(&lease.no);
                    }
                    ended.insert(*lease);
                }
            }
        }
        stopped.retain(|lease| !ended.contains(lease));
        extended.retain(|lease, _| !ended.contains(lease));
        try_join!(self.end_leases(&ended), self.stop_leases(&stopped), self.start_leases(started))?;
        self.extend_leases(&extended).await?;
        Ok(())
    }

    async fn end_leases(&self, leases: &BTreeSet<LeaseRef>) -> Result<(), PgError> {
        if leases.is_empty() {
            return Ok(());
        }
        let nos: Vec<i64> = leases.iter().map(|lease| lease.no.0).collect();
        for row in self.db.query(END, &[&nos]).await? {
            let attempt: i32 = row.try_get(1)?;
            let ended = LeaseRef { no: JobNo(row.try_get(0)?), attempt: attempt.cast_unsigned() };
            if !leases.contains(&ended) {
                return Err(PgError::Refused("a lease of another attempt was to be ended"));
            }
        }
        Ok(())
    }

    async fn stop_leases(&self, leases: &BTreeSet<LeaseRef>) -> Result<u64, PgError> {
        if leases.is_empty() {
            return Ok(0);
        }
        let nos: Vec<i64> = leases.iter().map(|lease| lease.no.0).collect();
        let attempts: Vec<i32> = leases.iter().map(|lease| rows::count(lease.attempt)).collect();
        self.db.execute(STOP, &[&nos, &attempts]).await
    }

    async fn extend_leases(&self, leases: &BTreeMap<LeaseRef, (Millis, Millis)>) -> Result<u64, PgError> {
        if leases.is_empty() {
            return Ok(0);
        }
        let nos: Vec<i64> = leases.keys().map(|lease| lease.no.0).collect();
        let attempts: Vec<i32> = leases.keys().map(|lease| rows::count(lease.attempt)).collect();
        let (ttls, untils): (Vec<i64>, Vec<i64>) = leases.values().copied().unzip();
        self.db.execute(EXTEND, &[&nos, &attempts, &ttls, &untils]).await
    }

    async fn start_leases(&self, started: BTreeMap<JobNo, (&KeptLease, bool)>) -> Result<u64, PgError> {
        if started.is_empty() {
            return Ok(0);
        }
        let kept: Vec<&KeptLease> = started.values().map(|(kept, _)| *kept).collect();
        let nos: Vec<i64> = kept.iter().map(|kept| kept.lease.no.0).collect();
        let attempts: Vec<i32> = kept.iter().map(|kept| rows::count(kept.lease.attempt)).collect();
        let ttls: Vec<i64> = kept.iter().map(|kept| kept.ttl).collect();
        let untils: Vec<i64> = kept.iter().map(|kept| kept.lease_until).collect();
        let timeouts: Vec<i64> = kept.iter().map(|kept| kept.time_until).collect();
        let cancels: Vec<bool> = started.values().map(|(_, cancel)| *cancel).collect();
        let lengths: Vec<i64> = kept.iter().map(|kept| kept.kept).collect();
        let workers: Vec<_> = kept.iter().map(|kept| text::escaped(&kept.worker)).collect();
        self.db.execute(START, &[&nos, &attempts, &ttls, &untils, &timeouts, &cancels, &workers, &lengths]).await
    }
}
