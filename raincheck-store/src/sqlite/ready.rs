use std::collections::HashMap;
use std::sync::LazyLock;

use raincheck_core::interpreter::Room;
use raincheck_core::{Digest, Job, JobNo, LeaseJobs, LeaseRef, Spec, State};
use rusqlite::{OptionalExtension, params};

use super::rows;
use super::trouble::Result;
use super::writer::Writer;
use crate::columns::number::QUEUED;

const RUNNING: usize = State::Running as usize;

pub(super) static READY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM job j WHERE j.state={QUEUED} AND j.queue=?1 AND j.kind=?2 ORDER BY j.rank, j.no LIMIT ?3",
        rows::JOB
    )
});
pub(super) static SPEC: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {}, s.input FROM spec s WHERE s.no=?1", rows::SPEC));

/// Ready jobs for a lease request, best rank first, at most `max` of each queue and kind, and how many may run. Only pairs
/// of queue and kind that were asked for and have something queued are looked at, so kinds nobody serves are never scanned
/// past.
pub(super) fn candidates(writer: &mut Writer<'_>, request: &LeaseJobs, max: usize) -> Result<(Vec<Job>, Room)> {
    let pairs = pairs(writer, request);
    let tables = &writer.shared.tables;
    let (mut found, mut room) = (Vec::new(), Room::default());
    for (queue, kind) in pairs {
        let Some(whole) = writer.book.queues.get(&queue).filter(|q| !q.settings.paused) else { continue };
        let mut limit = max as u64;
        if let Some((cap, name)) = whole.settings.concurrency.and_then(|cap| Some((cap, tables.queue_name(queue)?))) {
            limit = limit.min(room.cap_queue(name, cap, whole.by_state[RUNNING]));
        }
        let cap = writer.shared.kind_caps.read().get(&kind).copied();
        if let Some((cap, name)) = cap.and_then(|cap| Some((cap, tables.kind_name(kind)?))) {
            let running = writer.book.pairs.iter().filter(|(p, _)| p.1 == kind).map(|(_, n)| n[RUNNING]).sum();
            limit = limit.min(room.cap_kind(name, cap, running));
        }
        let mut rows = writer.kept.ready.get()?.query(params![queue, kind, limit as i64])?;
        while let Some(row) = rows.next()? {
            found.push(rows::job(row, tables)?);
        }
    }
    found.sort_unstable_by_key(|job: &Job| (job.rank, job.no));
    Ok((found, room))
}

/// The pairs of queue and kind that a request asks for and that have something queued, in order.
fn pairs(writer: &Writer<'_>, request: &LeaseJobs) -> Vec<(i64, i64)> {
    let (tables, pairs) = (&writer.shared.tables, &writer.book.pairs);
    let kinds: Vec<i64> = request.kinds.iter().filter_map(|k| tables.kind_number(k.as_str())).collect();
    let queues: Vec<i64> = request.queues.iter().filter_map(|q| tables.queue_number(q.as_str())).collect();
    let is_by_number = request.patterns.is_empty() && !request.any_kind();
    let mut matched: HashMap<i64, bool> = HashMap::new();
    let mut served = |kind: i64| {
        let matches = || tables.kind_name(kind).is_some_and(|name| request.wants_kind(&name));
        kinds.contains(&kind) || !is_by_number && *matched.entry(kind).or_insert_with(matches)
    };
    let mut found: Vec<(i64, i64)> = if request.queues.is_empty() {
        let queued = pairs.iter().filter(|(pair, n)| n[State::Queued as usize] > 0 && served(pair.1));
        queued.map(|(pair, _)| *pair).collect()
    } else if is_by_number {
        let all = queues.iter().flat_map(|q| kinds.iter().map(|k| (*q, *k)));
        all.filter(|pair| pairs.get(pair).is_some_and(|n| n[State::Queued as usize] > 0)).collect()
    } else {
        let all = queues.iter().flat_map(|q| pairs.range((*q, i64::MIN)..=(*q, i64::MAX)));
        all.filter(|(pair, n)| n[State::Queued as usize] > 0 && served(pair.1)).map(|(pair, _)| *pair).collect()
    };
    // A name given twice must not find a job twice.
    found.sort_unstable();
    found.dedup();
    found
}

/// What a job asks for, with the bytes of its input.
pub(super) fn spec(writer: &mut Writer<'_>, job: &Job) -> Result<Spec> {
    writer.kept.spec.get()?.query_row([job.no.0], |row| {
        let input: Option<Vec<u8>> = row.get(rows::SPEC_COLUMNS)?;
        Ok(rows::spec(row, job.max_attempts, input))
    })?
}

/// The leases an earlier request of this id was given, as far as they last; `None` when it is new.
pub(super) fn asked_before(writer: &mut Writer<'_>, id: &Digest) -> Result<Option<Vec<(Job, Spec)>>> {
    let stored: Option<Vec<u8>> = writer
        .db
        .prepare_cached("SELECT leases FROM lease_request WHERE id=?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let Some(stored) = stored else { return Ok(None) };
    let mut again = Vec::new();
    for lease in unpacked(&stored) {
        if let Some(job) = writer.job(lease.no)?
            && job.state == State::Running
            && job.attempt == lease.attempt
        {
            let spec = spec(writer, &job)?;
            again.push((job, spec));
        }
    }
    Ok(Some(again))
}

/// Keeps the answer of a lease request.
pub(super) fn remember(writer: &Writer<'_>, id: &Digest, leased: &[(Job, Spec)]) -> Result<()> {
    let packed: Vec<u8> = leased.iter().flat_map(|(job, _)| pack(job.lease_ref())).collect();
    let now = writer.shared.clock.now().0;
    writer.db.prepare_cached("INSERT INTO lease_request VALUES (?1,?2,?3)")?.execute(params![id, now, packed])?;
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
