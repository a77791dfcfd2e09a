//! Hands ready jobs to workers: all requests of a transaction with one look at the queues.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use futures_util::try_join;
use raincheck_core::interpreter::{Offered, Room, Serving};
use raincheck_core::{Digest, Job, JobNo, LeaseJobs, LeaseRef, Name, Reply, Spec, State, limits};

use super::batch::Batch;
use super::facts::GIVEN;
use super::overlay::LeaseChange;
use super::scan_start::Aim;
use crate::columns::number::{QUEUED, RUNNING};
use crate::leases::KeptLease;
use crate::postgres::connection::db::Parameters;
use crate::postgres::error::Trouble;
use crate::postgres::tables::counters;
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
/// A queue with a cap is locked while jobs are taken from it, so that no two nodes fill the same place.
const LOCK_QUEUES: &str =
    "SELECT id, name, paused, max_queued, concurrency FROM queue WHERE id = ANY($1) ORDER BY id FOR UPDATE";
const LOCK_KINDS: &str = "SELECT id FROM kind WHERE id = ANY($1) ORDER BY id FOR UPDATE";
static RUN_IN_QUEUES: LazyLock<String> = LazyLock::new(|| run_of("queue"));
static RUN_OF_KINDS: LazyLock<String> = LazyLock::new(|| run_of("kind"));
const REMEMBER: &str = "INSERT INTO lease_request VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

/// It begins anew, and finds what was given.
const ELSEWHERE: Trouble = Trouble::Again("a lease request was answered elsewhere");

fn run_of(column: &str) -> String {
    format!(
        "SELECT {column}, sum(n)::bigint FROM counter WHERE {column} = ANY($1) AND state = {RUNNING} GROUP BY {column}"
    )
}

/// What requests are served from.
#[derive(Default)]
struct Stand {
    /// Best rank first.
    ready: Vec<Job>,
    /// Of their inputs that are read with them, bytes; unknown where they are few.
    sizes: HashMap<JobNo, usize>,
    looks: Vec<Look>,
    room: Room,
}

type Pair = (Name, Name);

/// A look at the ready jobs of a pair.
struct Look {
    aim: Aim,
    from: i64,
    /// The rank it came to: of the last job that was asked for, or now when there are no more.
    to: i64,
    took: Duration,
}

impl Batch<'_> {
    /// Answers lease requests one after the other. When they are the last of the transaction, what was decided is written
    /// in the same round trip in which their inputs are read.
    pub(crate) async fn lease_all(&mut self, requests: &[&LeaseJobs], is_last: bool) -> Result<Vec<Reply>, Trouble> {
        let mut leased: Vec<Vec<LeaseRef>> = vec![Vec::new(); requests.len()];
        let (mut served, mut open) = (0, None);
        while served < requests.len() {
            let is_new = |request: &&LeaseJobs| request.request_id.is_none_or(|id| !self.given.contains_key(&id));
            let asked: Vec<&LeaseJobs> = requests[served..].iter().copied().filter(is_new).collect();
            let mut stand = self.stand(&asked, leased[served].len()).await?;
            while served < requests.len() {
                let request = requests[served];
                let again = request.request_id.and_then(|id| self.given.get(&id)).filter(|_| leased[served].is_empty());
                if let Some(again) = again {
                    leased[served].clone_from(again);
                } else {
                    let serving = open.get_or_insert_with(|| Serving::new(request, self.inputs));
                    self.serve(request, serving, &mut stand, &mut leased[served])?;
                    if serving.goes_on(self.inputs) {
                        break;
                    }
                    match request.request_id {
                        None => {}
                        Some(id) if leased[served].is_empty() => self.not_given(&id).await?,
                        Some(id) => {
                            self.given.insert(id, leased[served].clone());
                            self.remember(&id, &leased[served]).await?;
                        }
                    }
                }
                (served, open) = (served + 1, None);
            }
            self.learn_floors(stand);
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

    /// Takes from the stand what a request asks for.
    fn serve(
        &mut self,
        request: &LeaseJobs,
        serving: &mut Serving<'_>,
        stand: &mut Stand,
        leased: &mut Vec<LeaseRef>,
    ) -> Result<(), Trouble> {
        serving.begin_round();
        for job in std::mem::take(&mut stand.ready) {
            let fits = request.wants(&job.queue, &job.kind);
            let inputs = self.inputs;
            let offered = match fits {
                true => self.decide(|moment| serving.offer(job, &mut stand.room, inputs, moment)),
                false => Offered::Kept(job),
            };
            let (job, changes) = match offered {
                Offered::Kept(job) => {
                    stand.ready.push(job);
                    continue;
                }
                Offered::Late(changes) => {
                    self.carry(changes)?;
                    continue;
                }
                Offered::Leased(job, changes) => (job, changes),
            };
            self.carry(changes)?;
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
            self.inputs += stand.sizes.get(&job.no).copied().unwrap_or(0);
        }
        Ok(())
    }

    /// Ready jobs for all of these requests, best rank first. Only pairs of queue and kind that were asked for and have
    /// something queued are looked at, so kinds nobody serves are never scanned past.
    async fn stand(&mut self, requests: &[&LeaseJobs], has: usize) -> Result<Stand, Trouble> {
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
        let mut stand = Stand { room: self.room(&pairs).await?, ..Stand::default() };
        let (mut queues, mut kinds, mut limits, mut ranks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut asked: HashMap<Pair, (u64, i64)> = HashMap::new();
        for ((queue, kind), n) in pairs {
            let numbers =
                self.shared.names.queues.number(queue.as_str()).zip(self.shared.names.kinds.number(kind.as_str()));
            let limit = n.min(stand.room.of(&queue, &kind));
            if let Some((queue_number, kind_number)) = numbers
                && limit > 0
                && !self.settings(&queue).paused
            {
                queues.push(queue_number);
                kinds.push(kind_number);
                limits.push(i64::try_from(limit).unwrap_or(i64::MAX));
                let from = self.mind.floors.of(&Aim::Ready(queue.clone(), kind.clone()));
                ranks.push(from);
                asked.insert((queue, kind), (limit, from));
            }
        }
        if queues.is_empty() {
            return Ok(stand);
        }
        let begin = Instant::now();
        let found = self.db.query(&READY, &[&queues, &kinds, &limits, &ranks]).await?;
        let took = begin.elapsed();
        self.absorb_jobs(&found, Default::default()).await?;
        stand.ready = found.iter().map(|row| rows::job(row, &self.shared.names)).collect::<Result<_, _>>()?;
        stand.ready.sort_unstable_by_key(|job| (job.rank, job.no));
        stand.sizes = self.sizes(&stand.ready).await?;
        let mut last: HashMap<Pair, (u64, i64)> = HashMap::new();
        for job in &stand.ready {
            let (count, rank) = last.entry((job.queue.clone(), job.kind.clone())).or_default();
            (*count, *rank) = (*count + 1, job.rank);
        }
        for (pair, (limit, from)) in asked {
            let to = last.get(&pair).filter(|(count, _)| *count >= limit).map_or(self.now.0, |(_, rank)| *rank);
            stand.looks.push(Look { aim: Aim::Ready(pair.0, pair.1), from, to, took });
        }
        Ok(stand)
    }

    /// Of the inputs that will be read, where they may be too much for one answer.
    async fn sizes(&self, jobs: &[Job]) -> Result<HashMap<JobNo, usize>, Trouble> {
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

    /// Remembers how far looks came, where nothing before is left.
    fn learn_floors(&mut self, stand: Stand) {
        for Look { aim, from, to, took } in stand.looks {
            self.mind.floors.looked(aim, from, to, took);
        }
        // What was not handed out is still there.
        stand.ready.iter().for_each(|job| self.mind.floors.lower(job));
    }

    fn pairs_of(&self, request: &LeaseJobs) -> Vec<Pair> {
        let book = self.shared.book.read();
        let queued = |pair: &Pair| {
            let known = book.pairs.get(pair).map_or(0, |counts| counts[State::Queued as usize]);
            let moved = self.moves.get(pair).map_or(0, |counts| counts[State::Queued as usize]);
            known + moved > 0 || book.maybe_ready.contains(pair)
        };
        if request.queues.is_empty() || request.any_kind() || !request.patterns.is_empty() {
            let mut matched: HashMap<Name, bool> = HashMap::new();
            let mut wants = |(queue, kind): &Pair| {
                (request.queues.is_empty() || request.queues.contains(queue))
                    && *matched.entry(kind.clone()).or_insert_with(|| request.wants_kind(kind))
            };
            let all = book.pairs.keys().chain(self.moves.keys()).chain(&book.maybe_ready);
            all.filter(|pair| queued(pair) && wants(pair)).cloned().collect()
        } else {
            let all = request.queues.iter().flat_map(|q| request.kinds.iter().map(|k| (q.clone(), k.clone())));
            all.filter(queued).collect()
        }
    }

    /// How many more may run where that is capped, counted while nobody else can fill the place.
    async fn room(&mut self, pairs: &BTreeMap<Pair, u64>) -> Result<Room, Trouble> {
        let mut room = Room::default();
        let capped = |name: &&Name| self.settings(name).concurrency.is_some();
        let mut queues: Vec<i32> = pairs
            .keys()
            .map(|(queue, _)| queue)
            .filter(capped)
            .filter_map(|name| self.shared.names.queues.number(name.as_str()))
            .collect();
        queues.dedup();
        let mut kinds: BTreeMap<i32, (Name, u32)> = BTreeMap::new();
        for (_, kind) in pairs.keys() {
            let cap = self.shared.kind_caps.read().get(kind).copied();
            if let Some((cap, number)) = cap.zip(self.shared.names.kinds.number(kind.as_str())) {
                kinds.insert(number, (kind.clone(), cap));
            }
        }
        if queues.is_empty() && kinds.is_empty() {
            return Ok(room);
        }
        // What is counted are rows.
        if self.is_pending() {
            self.flush(false).await?;
        }
        let kind_numbers: Vec<i32> = kinds.keys().copied().collect();
        // One after the other: what is counted is counted under the locks.
        let (of_queues, of_the_kinds): (Parameters<'_>, Parameters<'_>) = (&[&queues], &[&kind_numbers]);
        let (locked, _) = try_join!(self.db.query(LOCK_QUEUES, of_queues), self.db.query(LOCK_KINDS, of_the_kinds))?;
        let (in_queues, of_kinds) =
            try_join!(self.db.query(&RUN_IN_QUEUES, of_queues), self.db.query(&RUN_OF_KINDS, of_the_kinds))?;
        let sums = |rows: &[tokio_postgres::Row]| {
            rows.iter()
                .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
                .collect::<Result<HashMap<i32, i64>, Trouble>>()
        };
        let (in_queues, of_kinds) = (sums(&in_queues)?, sums(&of_kinds)?);
        let count = |running: Option<&i64>| running.map_or(0, |n| n.max(&0).unsigned_abs());
        for row in &locked {
            let number = row.try_get(0)?;
            let Some(name) = self.shared.names.queues.name(number) else { continue };
            let settings = counters::settings_of(row, 2)?;
            if let Some(cap) = settings.concurrency {
                room.cap_queue(name.clone(), cap, count(in_queues.get(&number)));
            }
            self.settings.insert(name, settings);
        }
        for (number, (kind, cap)) in kinds {
            room.cap_kind(kind, cap, count(of_kinds.get(&number)));
        }
        Ok(room)
    }

    async fn remember(&self, id: &Digest, leases: &[LeaseRef]) -> Result<(), Trouble> {
        let nos: Vec<i64> = leases.iter().map(|lease| lease.no.0).collect();
        let attempts: Vec<i32> = leases.iter().map(|lease| rows::count(lease.attempt)).collect();
        match self.db.execute(REMEMBER, &[&&id[..], &self.now.0, &nos, &attempts]).await? {
            1 => Ok(()),
            _ => Err(ELSEWHERE),
        }
    }

    /// Nothing is there for a request: has another node given what there was to the same one? That has ended, as this
    /// transaction has the lock of the request; what was asked before it had that may be too old.
    async fn not_given(&self, id: &Digest) -> Result<(), Trouble> {
        let ids: &[&[u8]] = &[&id[..]];
        if self.db.query(GIVEN, &[&ids]).await?.is_empty() { Ok(()) } else { Err(ELSEWHERE) }
    }

    /// The jobs of leases as far as they last, with what they ask for and the bytes of their input.
    async fn with_specs(&mut self, leased: Vec<Vec<LeaseRef>>, is_last: bool) -> Result<Vec<Reply>, Trouble> {
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
