//! Hands ready jobs to workers: all requests of a transaction with one look at the queues.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use futures_util::try_join;
use raincheck_core::interpreter::{Offered, Room, Serving};
use raincheck_core::{Digest, Job, JobNo, LeaseJobs, LeaseRef, Name, Reply, Spec, State, limits};

use super::batch::Batch;
use super::caps::Pair;
use super::facts::GIVEN;
use super::overlay::LeaseChange;
use super::scan_start::ScanKey;
use crate::columns::number::QUEUED;
use crate::leases::KeptLease;
use crate::postgres::connection::db::Parameters;
use crate::postgres::error::PgError;
use crate::postgres::tables::rows;

static READY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM unnest($1::integer[], $2::integer[], $3::bigint[], $4::bigint[]) AS p (queue, kind, n, rank) \
         CROSS JOIN LATERAL (SELECT * FROM job WHERE state = {QUEUED} AND queue = p.queue AND kind = p.kind AND rank >= p.rank \
         ORDER BY rank, no LIMIT p.n FOR UPDATE SKIP LOCKED) AS j",
        rows::JOB
    )
});
static SPECS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {}, s.no, s.input FROM spec s WHERE s.no = ANY($1) AND s.no >= {{low}} AND s.no < {{high}}",
        rows::SPEC
    )
});
const SIZES: &str =
    "SELECT s.no, s.size FROM spec s WHERE s.no = ANY($1) AND s.blob IS NULL AND s.no >= {low} AND s.no < {high}";
/// The inputs of so few jobs are no page, however large they are.
const FEW: usize = limits::PAGE_BYTES / limits::INLINE_BYTES;
const REMEMBER: &str = "INSERT INTO lease_request VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

/// It begins anew, and finds what was given.
const ELSEWHERE: PgError = PgError::Again("a lease request was answered elsewhere");

/// What requests are served from.
#[derive(Default)]
struct Candidates {
    /// Best rank first.
    ready: Vec<Job>,
    /// Of their inputs that are read with them, bytes; unknown where they are few.
    sizes: HashMap<JobNo, usize>,
    scans: Vec<Scan>,
    room: Room,
}

/// A scan of the ready jobs of a pair.
struct Scan {
    key: ScanKey,
    from: i64,
    /// The rank it came to: of the last job that was asked for, or now when there are no more.
    to: i64,
    took: Duration,
}

impl Batch<'_> {
    /// Answers lease requests one after the other. When they are the last of the transaction, what was decided is written
    /// in the same round trip in which their inputs are read.
    pub(crate) async fn lease_all(&mut self, requests: &[&LeaseJobs], is_last: bool) -> Result<Vec<Reply>, PgError> {
        let mut leased: Vec<Vec<LeaseRef>> = vec![Vec::new(); requests.len()];
        let (mut served, mut open) = (0, None);
        while served < requests.len() {
            let is_new =
                |request: &&LeaseJobs| request.request_id.is_none_or(|id| !self.leased_before.contains_key(&id));
            let asked: Vec<&LeaseJobs> = requests[served..].iter().copied().filter(is_new).collect();
            let mut candidates = self.candidates(&asked, leased[served].len()).await?;
            while served < requests.len() {
                let request = requests[served];
                let again =
                    request.request_id.and_then(|id| self.leased_before.get(&id)).filter(|_| leased[served].is_empty());
                if let Some(again) = again {
                    leased[served].clone_from(again);
                } else {
                    let serving = open.get_or_insert_with(|| Serving::new(request, self.inputs));
                    self.serve(request, serving, &mut candidates, &mut leased[served])?;
                    if serving.goes_on(self.inputs) {
                        break;
                    }
                    match request.request_id {
                        None => {}
                        Some(id) if leased[served].is_empty() => self.not_given(&id).await?,
                        Some(id) => {
                            self.leased_before.insert(id, leased[served].clone());
                            self.remember(&id, &leased[served]).await?;
                        }
                    }
                }
                (served, open) = (served + 1, None);
            }
            self.note_scans(candidates);
            if served < requests.len() {
                self.flush(false).await?;
            }
        }
        if is_last {
            // Jobs that came too late for a lease have ended, too.
            self.follow().await?;
        }
        self.with_specs(leased, is_last).await
    }

    /// Takes from the candidates what a request asks for.
    fn serve(
        &mut self,
        request: &LeaseJobs,
        serving: &mut Serving<'_>,
        candidates: &mut Candidates,
        leased: &mut Vec<LeaseRef>,
    ) -> Result<(), PgError> {
        serving.begin_round();
        for job in std::mem::take(&mut candidates.ready) {
            let fits = request.wants(&job.queue, &job.kind);
            let inputs = self.inputs;
            let offered = match fits {
                true => self.decide(|moment| serving.offer(job, &mut candidates.room, inputs, moment)),
                false => Offered::Kept(job),
            };
            let (job, changes) = match offered {
                Offered::Kept(job) => {
                    candidates.ready.push(job);
                    continue;
                }
                Offered::Late(changes) => {
                    self.apply_changes(changes)?;
                    continue;
                }
                Offered::Leased(job, changes) => (job, changes),
            };
            self.apply_changes(changes)?;
            self.lease_changes.push(LeaseChange::Start(KeptLease {
                lease: job.lease_ref(),
                ttl: job.ttl,
                kept: job.ttl,
                lease_until: self.ticks.saturating_add(job.ttl),
                time_until: self.ticks.saturating_add(job.timeout.max(0)),
                cancel_requested: job.cancel_requested,
                worker: request.worker.clone(),
            }));
            leased.push(job.lease_ref());
            self.inputs += candidates.sizes.get(&job.no).copied().unwrap_or(0);
        }
        Ok(())
    }

    /// Ready jobs for all of these requests, best rank first. Only pairs of queue and kind that were asked for and have
    /// something queued are looked at, so kinds nobody serves are never scanned past.
    async fn candidates(&mut self, requests: &[&LeaseJobs], has: usize) -> Result<Candidates, PgError> {
        let mut pairs: BTreeMap<Pair, u64> = BTreeMap::new();
        for (index, request) in requests.iter().enumerate() {
            let max = request.max - if index == 0 { has.min(request.max) } else { 0 };
            let mut asked = self.pairs_of(request);
            // A name given twice must not count twice.
            asked.sort_unstable();
            asked.dedup();
            for pair in asked {
                *pairs.entry(pair).or_default() += max as u64;
            }
        }
        let mut candidates = Candidates { room: self.room(&pairs).await?, ..Candidates::default() };
        let (mut queues, mut kinds, mut limits, mut ranks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut asked: HashMap<Pair, (u64, i64)> = HashMap::new();
        for ((queue, kind), n) in pairs {
            let numbers =
                self.shared.names.queues.number(queue.as_str()).zip(self.shared.names.kinds.number(kind.as_str()));
            let limit = n.min(candidates.room.of(&queue, &kind));
            if let Some((queue_number, kind_number)) = numbers
                && limit > 0
                && !self.settings(&queue).paused
            {
                queues.push(queue_number);
                kinds.push(kind_number);
                limits.push(i64::try_from(limit).unwrap_or(i64::MAX));
                let from = self.state.scan_starts.of(&ScanKey::Ready(queue.clone(), kind.clone()));
                ranks.push(from);
                asked.insert((queue, kind), (limit, from));
            }
        }
        if queues.is_empty() {
            return Ok(candidates);
        }
        let begin = Instant::now();
        let found = self.db.query(&READY, &[&queues, &kinds, &limits, &ranks]).await?;
        let took = begin.elapsed();
        self.absorb_jobs(&found, Default::default()).await?;
        candidates.ready = found.iter().map(|row| rows::job(row, &self.shared.names)).collect::<Result<_, _>>()?;
        candidates.ready.sort_unstable_by_key(|job| (job.rank, job.no));
        candidates.sizes = self.sizes(&candidates.ready).await?;
        let mut last: HashMap<Pair, (u64, i64)> = HashMap::new();
        for job in &candidates.ready {
            let (count, rank) = last.entry((job.queue.clone(), job.kind.clone())).or_default();
            (*count, *rank) = (*count + 1, job.rank);
        }
        for (pair, (limit, from)) in asked {
            let to = last.get(&pair).filter(|(count, _)| *count >= limit).map_or(self.now.0, |(_, rank)| *rank);
            candidates.scans.push(Scan { key: ScanKey::Ready(pair.0, pair.1), from, to, took });
        }
        Ok(candidates)
    }

    /// Of the inputs that will be read, where they may be too much for one answer.
    async fn sizes(&self, jobs: &[Job]) -> Result<HashMap<JobNo, usize>, PgError> {
        if jobs.len() <= FEW {
            return Ok(HashMap::new());
        }
        let nos: Vec<i64> = jobs.iter().map(|job| job.no.0).collect();
        let found = self.ask_within(SIZES, &nos, &[&nos]).await?;
        let size = |row: &tokio_postgres::Row| {
            let size: i64 = row.try_get(1)?;
            Ok((JobNo(row.try_get(0)?), usize::try_from(size).unwrap_or(0)))
        };
        found.iter().map(size).collect()
    }

    /// Remembers how far scans came, where nothing before is left.
    fn note_scans(&mut self, candidates: Candidates) {
        for Scan { key, from, to, took } in candidates.scans {
            self.state.scan_starts.scanned(key, from, to, took);
        }
        // What was not handed out is still there.
        candidates.ready.iter().for_each(|job| self.state.scan_starts.lower(job));
    }

    fn pairs_of(&self, request: &LeaseJobs) -> Vec<Pair> {
        let counters = self.shared.counters.read();
        let queued = |pair: &Pair| {
            let known = counters.pairs.get(pair).map_or(0, |counts| counts[State::Queued as usize]);
            let moved = self.moves.get(pair).map_or(0, |counts| counts[State::Queued as usize]);
            known + moved > 0 || counters.maybe_ready.contains(pair)
        };
        if request.queues.is_empty() || request.any_kind() || !request.patterns.is_empty() {
            let mut matched: HashMap<Name, bool> = HashMap::new();
            let mut wants = |(queue, kind): &Pair| {
                (request.queues.is_empty() || request.queues.contains(queue))
                    && *matched.entry(kind.clone()).or_insert_with(|| request.wants_kind(kind))
            };
            let all = counters.pairs.keys().chain(self.moves.keys()).chain(&counters.maybe_ready);
            all.filter(|pair| queued(pair) && wants(pair)).cloned().collect()
        } else {
            let all = request.queues.iter().flat_map(|q| request.kinds.iter().map(|k| (q.clone(), k.clone())));
            all.filter(queued).collect()
        }
    }

    async fn remember(&self, id: &Digest, leases: &[LeaseRef]) -> Result<(), PgError> {
        let nos: Vec<i64> = leases.iter().map(|lease| lease.no.0).collect();
        let attempts: Vec<i32> = leases.iter().map(|lease| rows::count(lease.attempt)).collect();
        match self.db.execute(REMEMBER, &[&&id[..], &self.now.0, &nos, &attempts]).await? {
            1 => Ok(()),
            _ => Err(ELSEWHERE),
        }
    }

    /// Nothing is there for a request: has another node given what there was to the same one? That has ended, as this
    /// transaction has the lock of the request; what was asked before it had that may be too old.
    async fn not_given(&self, id: &Digest) -> Result<(), PgError> {
        let ids: &[&[u8]] = &[&id[..]];
        if self.db.query(GIVEN, &[&ids]).await?.is_empty() { Ok(()) } else { Err(ELSEWHERE) }
    }

    /// The jobs of leases as far as they last, with what they ask for and the bytes of their input.
    async fn with_specs(&mut self, leased: Vec<Vec<LeaseRef>>, is_last: bool) -> Result<Vec<Reply>, PgError> {
        let nos: Vec<i64> = leased.iter().flatten().map(|lease| lease.no.0).collect();
        let found = if is_last && self.is_pending() {
            let sums = self.sum_up().await?;
            let parameters: Parameters<'_> = &[&nos];
            let (found, ()) = try_join!(self.ask_within(&SPECS, &nos, parameters), self.write(&sums, true))?;
            self.written(true);
            found
        } else {
            self.ask_within(&SPECS, &nos, &[&nos]).await?
        };
        let mut specs: HashMap<JobNo, Spec> = HashMap::new();
        for row in found {
            let no = JobNo(row.try_get(rows::SPEC_COLUMNS)?);
            let max_attempts = self.job(no).map_or(1, |job| job.max_attempts);
            let input = rows::bytes(&row, rows::SPEC_COLUMNS + 1)?;
            specs.insert(no, rows::spec(&row, max_attempts, input)?);
        }
        let with_spec = |lease: &LeaseRef| {
            let job = self.job(lease.no).filter(|job| job.state == State::Running && job.attempt == lease.attempt)?;
            Some((job.clone(), specs.get(&lease.no)?.clone()))
        };
        Ok(leased.iter().map(|leases| Reply::Leased(leases.iter().filter_map(with_spec).collect())).collect())
    }
}
