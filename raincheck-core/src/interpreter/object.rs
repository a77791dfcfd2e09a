use super::carried::Carried;
use super::facts::{Fact, NamedObject, NotAsked};

use crate::command::{Change, Refusal, Reply};
use crate::decide::Moment;
use crate::object::{Delete, Object, Put};

/// Bits of a version below the millisecond that it was made in. With these it is a number that JavaScript keeps, until 2039.
const CHANCE_BITS: u32 = 12;

/// Makes a named object, or replaces it.
pub(super) fn put(put: Put, known: Fact<NamedObject>, moment: &mut Moment<'_>) -> Result<Carried, NotAsked> {
    let NamedObject { object: found, has_room } = known.known("a named object")?.unwrap_or_default();
    if !put.expected.holds(found.as_ref()) {
        return Ok(Reply::OtherVersion(found).into());
    }
    if found.is_none() && !has_room {
        return Ok(Reply::Refused(0, Refusal::TooManyNames).into());
    }
    let replaced = found.map(|found| found.version);
    // By the clock, so that one that was deleted and made again has another one; and within a millisecond by chance.
    let fresh = (moment.tick << CHANCE_BITS) | i64::from(moment.rng.next_u32() >> (u32::BITS - CHANCE_BITS));
    let version = replaced.map_or(fresh, |before| fresh.max(before + 1));
    let Put { kind, name, body, .. } = put;
    let object = Object { kind, name, version, updated_at: moment.now, body };
    let change = Change::Put { replaced, object: object.clone() };
    Ok((Reply::Put { object, is_new: replaced.is_none() }, vec![change]).into())
}

/// Deletes a named object.
pub(super) fn delete(delete: Delete, known: Fact<NamedObject>) -> Result<Carried, NotAsked> {
    let found = known.known("a named object")?.unwrap_or_default().object;
    if !delete.expected.holds(found.as_ref()) {
        return Ok(Reply::OtherVersion(found).into());
    }
    let Some(Object { kind, name, version, .. }) = found else { return Ok(Reply::Gone.into()) };
    Ok((Reply::Deleted, vec![Change::Delete { kind, name, version }]).into())
}
