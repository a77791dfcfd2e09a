//! Answers of requests for work, which a client that lost its answer asks for again.

use raincheck_core::{Digest, JobNo, LeaseRef, Timestamp};
use rusqlite::{Connection, OptionalExtension, Result, params};

/// The leases that the request of this id was answered with; `None` when it is new.
pub(crate) fn find(db: &Connection, id: &Digest) -> Result<Option<Vec<LeaseRef>>> {
    let stored: Option<Vec<u8>> = db
        .prepare_cached("SELECT leases FROM lease_request WHERE id=?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(stored.map(|stored| unpacked(&stored)))
}

/// Keeps the answer of a lease request.
pub(crate) fn put(db: &Connection, id: &Digest, at: Timestamp, leases: impl Iterator<Item = LeaseRef>) -> Result<()> {
    let packed: Vec<u8> = leases.flat_map(pack).collect();
    db.prepare_cached("INSERT INTO lease_request VALUES (?1,?2,?3)")?.execute(params![id, at.0, packed])?;
    Ok(())
}

fn pack(lease: LeaseRef) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&lease.no.0.to_le_bytes());
    bytes[8..].copy_from_slice(&lease.attempt.to_le_bytes());
    bytes
}

/// The leases of an answer as it is kept.
pub(crate) fn unpacked(stored: &[u8]) -> Vec<LeaseRef> {
    stored.as_chunks::<12>().0.iter().map(unpack).collect()
}

fn unpack(bytes: &[u8; 12]) -> LeaseRef {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *bytes;
    let no = JobNo(i64::from_le_bytes([a, b, c, d, e, f, g, h]));
    LeaseRef { no, attempt: u32::from_le_bytes([i, j, k, l]) }
}
