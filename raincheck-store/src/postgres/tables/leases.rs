//! Rows of `lease`.

use raincheck_core::{JobNo, LeaseRef};
use tokio_postgres::Row;

use super::text::plain;
use crate::leases::KeptLease;
use crate::postgres::error::PgError;

/// All of them.
pub(crate) const ALL_LEASES: &str = "SELECT no, attempt, ttl, until, timeout_at, cancel, worker, kept FROM lease";
/// Those of some jobs; [`kept_lease`] reads either.
pub(crate) const SOME_LEASES: &str =
    "SELECT no, attempt, ttl, until, timeout_at, cancel, worker, kept FROM lease WHERE no = ANY($1)";

/// Reads a row of `lease`.
pub(crate) fn kept_lease(row: &Row) -> Result<KeptLease, PgError> {
    let attempt: i32 = row.try_get(1)?;
    Ok(KeptLease {
        lease: LeaseRef { no: JobNo(row.try_get(0)?), attempt: attempt.cast_unsigned() },
        ttl: row.try_get(2)?,
        lease_until: row.try_get(3)?,
        time_until: row.try_get(4)?,
        cancel_requested: row.try_get(5)?,
        worker: plain(row.try_get(6)?),
        kept: row.try_get(7)?,
    })
}
