use std::collections::HashMap;

use raincheck_core::interpreter::{Offered, Room, Serving};
use raincheck_core::{Digest, Job, LeaseJobs, Payload, Reply, Spec, State};
use rusqlite::params;

use super::state::{LeaseChange, WriterState};
use crate::sqlite::error::Result;
use crate::sqlite::tables::{lease_requests, rows};

impl WriterState<'_> {
    /// Hands out ready jobs, one by one.
    pub(super) fn lease(&mut self, request: &LeaseJobs) -> Result<Reply> {
        if let Some(id) = &request.request_id
            && let Some(again) = asked_before(self, id)?
        {
            return Ok(Reply::Leased(again));
        }
        let (mut leased, mut serving) = (Vec::new(), Serving::new(request, self.inputs));
        loop {
            let (jobs, mut room) = candidates(self, request, serving.begin_round())?;
            for job in jobs {
                let inputs = self.inputs;
                match self.decide(|moment| serving.offer(job, &mut room, inputs, moment)) {
                    Offered::Kept(_) => {}
                    Offered::Late(changes) => drop(self.apply_changes(changes)?),
                    Offered::Leased(job, changes) => {
                        self.apply_changes(changes)?;
                        let spec = spec(self, &job)?;
                        if let Payload::Inline(input) = &spec.input.payload {
                            self.inputs += input.len();
                        }
                        self.leases.push(LeaseChange::Start(Box::new(job.clone()), request.worker.clone()));
                        leased.push((job, spec));
                    }
                }
            }
            if !serving.goes_on(self.inputs) {
                break;
            }
        }
        if let Some(id) = &request.request_id
            && !leased.is_empty()
        {
            let leases = leased.iter().map(|(job, _)| job.lease_ref());
            lease_requests::put(self.db, id, self.shared.clock.now(), leases)?;
        }
        Ok(Reply::Leased(leased))
    }
}

const RUNNING: usize = State::Running as usize;

/// Ready jobs for a lease request, best rank first, at most `max` of each queue and kind, and how many may run. Only pairs
/// of queue and kind that were asked for and have something queued are looked at, so kinds nobody serves are never scanned
/// past.
fn candidates(writer: &mut WriterState<'_>, request: &LeaseJobs, max: usize) -> Result<(Vec<Job>, Room)> {
    let pairs = pairs(writer, request);
    let names = &writer.shared.names;
    let (mut found, mut room) = (Vec::new(), Room::default());
    for (queue, kind) in pairs {
        let Some(whole) = writer.counters.queues.get(&queue).filter(|q| !q.settings.paused) else { continue };
        let mut limit = max as u64;
        if let Some((cap, name)) = whole.settings.concurrency.and_then(|cap| Some((cap, names.queue_name(queue)?))) {
            limit = limit.min(room.cap_queue(name, cap, whole.by_state[RUNNING]));
        }
        let cap = writer.shared.kind_caps.read().get(&kind).copied();
        if let Some((cap, name)) = cap.and_then(|cap| Some((cap, names.kind_name(kind)?))) {
            let running = writer.counters.pairs.iter().filter(|(p, _)| p.1 == kind).map(|(_, n)| n[RUNNING]).sum();
            limit = limit.min(room.cap_kind(name, cap, running));
        }
        let mut rows = writer.statements.ready.get()?.query(params![queue, kind, limit as i64])?;
        while let Some(row) = rows.next()? {
            found.push(rows::job(row, names)?);
        }
    }
    found.sort_unstable_by_key(|job: &Job| (job.rank, job.no));
    Ok((found, room))
}

/// The pairs of queue and kind that a request asks for and that have something queued, in order.
fn pairs(writer: &WriterState<'_>, request: &LeaseJobs) -> Vec<(i64, i64)> {
    let (names, pairs) = (&writer.shared.names, &writer.counters.pairs);
    let kinds: Vec<i64> = request.kinds.iter().filter_map(|k| names.kind_number(k.as_str())).collect();
    let queues: Vec<i64> = request.queues.iter().filter_map(|q| names.queue_number(q.as_str())).collect();
    let is_by_number = request.patterns.is_empty() && !request.any_kind();
    let mut matched: HashMap<i64, bool> = HashMap::new();
    let mut served = |kind: i64| {
        let matches = || names.kind_name(kind).is_some_and(|name| request.wants_kind(&name));
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
pub(super) fn spec(writer: &mut WriterState<'_>, job: &Job) -> Result<Spec> {
    writer.statements.spec.get()?.query_row([job.no.0], |row| {
        let input: Option<Vec<u8>> = row.get(rows::SPEC_COLUMNS)?;
        Ok(rows::spec(row, job.max_attempts, input))
    })?
}

/// The leases an earlier request of this id was given, as far as they last; `None` when it is new.
fn asked_before(writer: &mut WriterState<'_>, id: &Digest) -> Result<Option<Vec<(Job, Spec)>>> {
    let Some(leases) = lease_requests::find(writer.db, id)? else { return Ok(None) };
    let mut again = Vec::new();
    for lease in leases {
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
