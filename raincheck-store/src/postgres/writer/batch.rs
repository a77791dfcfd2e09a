//! One transaction in the making: what was loaded, what the rules changed of it, and what is still to be written.
//!
//! The rules decide one command at a time, each seeing what those before it did; this is the overlay that they see. Rows
//! in it are locked in the database until the transaction ends, so what was loaded once stays true.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use raincheck_core::decide::{self, Moment};
use raincheck_core::interpreter::{BatchClaim, ChunkPlace, FollowUps, Part, Piece, Recorded};
use raincheck_core::{
    Change, ChunkKind, ClaimScope, Content, Digest, Event, IdMint, Job, JobId, JobNo, LeaseRef, Millis, Name,
    QueueSettings, RetryPolicy, Spec, State, Timestamp,
};

use super::claim::{Claim, ClaimKey, ClaimWrite};
use super::overlay::{Entry, FeedCut, LeaseChange, Objects};
use super::state::WriterState;
use crate::codec;
use crate::leases::KeptLease;
use crate::postgres::connection::db::Db;
use crate::postgres::error::PgError;
use crate::postgres::shared::Shared;
use crate::postgres::tables::counters::{Counts, SERVED, TICKETS, sum, waiting};

/// The transaction, and what it has looked up, decided and not written yet.
pub(crate) struct Batch<'a> {
    /// The writer's connection, in a transaction.
    pub db: &'a Db,
    pub shared: &'a Shared,
    /// What is kept from one transaction to the next.
    pub state: &'a mut WriterState,
    /// The time that all of it is decided at, from the first statement.
    pub now: Timestamp,
    /// The same moment on the clock of leases, milliseconds.
    pub ticks: Millis,
    /// Its number, of the sequence `batch`; 0 before it has begun.
    pub number: i64,
    /// The history that it is in, by its first cursor, see [`crate::postgres::history`].
    pub history: i64,

    /// Jobs that were looked up or made; `None` where there is none; so in the maps below.
    pub jobs: HashMap<JobNo, Option<Entry>>,
    /// Ids of purged jobs.
    pub tombstones: HashMap<JobNo, Option<JobId>>,
    /// Names that stand for jobs.
    pub claims: HashMap<ClaimKey, Option<Claim>>,
    /// Leases as they stood when the transaction began.
    pub leases: HashMap<JobNo, Option<KeptLease>>,
    /// Results, as far as another end is compared with them.
    pub recorded: HashMap<JobNo, Option<Recorded>>,
    /// Retry policies, from the specs.
    pub retries: HashMap<JobNo, Option<RetryPolicy>>,
    /// Where streams and logs end.
    pub parts: HashMap<ChunkPlace, Option<Part>>,
    /// Settings of queues that were locked or changed.
    pub settings: HashMap<Name, QueueSettings>,
    /// Named objects.
    pub objects: Objects,
    /// Leases that were given to requests with an id, from the table `lease_request` and this transaction.
    pub leased_before: HashMap<Digest, Vec<LeaseRef>>,
    /// Counters as they changed since the transaction began, by queue and kind.
    pub moves: HashMap<(Name, Name), Counts>,
    /// The same, of whole queues.
    queue_moves: HashMap<Name, Counts>,

    /// Events so far, in their order.
    pub events: Vec<Event>,
    /// Streams and logs that were written to.
    pub grown: Vec<(JobNo, ChunkKind)>,
    /// What becomes of leases, in order.
    pub lease_changes: Vec<LeaseChange>,
    /// What follows from the decisions, and is not carried out yet.
    pub follow_ups: FollowUps,
    /// What the inputs of all leases of this transaction take, as far as they are read with them, bytes.
    pub inputs: usize,
    /// Results that are not written yet.
    pub results: Vec<(JobNo, Content)>,
    /// The latest progress and failure that are not written yet, as JSON.
    pub reports: BTreeMap<JobNo, (Option<String>, Option<String>)>,
    /// Pieces of streams and logs that are not written yet.
    pub pieces: Vec<Piece>,
    /// Queues whose settings are not written yet.
    pub set_queues: BTreeSet<Name>,
    /// Changes of counters that are not written yet.
    pub unwritten: HashMap<(Name, Name), Counts>,
    /// How many of `lease_changes` are written.
    pub written_leases: usize,
    /// How many of `events` are written.
    pub written_events: usize,
    /// Jobs that the rules purged and whose rows are still there.
    pub forgotten: Vec<Job>,
    /// Jobs that were purged; their events are published and not kept.
    pub gone: BTreeSet<JobNo>,
    /// Where the feed is cut.
    pub cut: FeedCut,
    /// Times at which new or changed jobs are due or late, milliseconds.
    pub due: Vec<i64>,
    /// Times at which the retention of jobs is over, milliseconds.
    pub expirations: Vec<i64>,
    /// Numbers of names that are on disk once the transaction is; whether of a queue.
    pub named: Vec<(bool, i32)>,
    /// Jobs were taken whose time has come: the next times are to be read again.
    pub swept: bool,
    /// Follow-ups were left over.
    pub left_over: bool,
    /// Nobody could renew leases for a while: none is over before that is seen to.
    pub unheard: bool,
    /// Something was written.
    pub wrote: bool,
}

impl<'a> Batch<'a> {
    pub fn new(db: &'a Db, shared: &'a Shared, state: &'a mut WriterState) -> Self {
        let follow_ups = FollowUps::new(state.bounds.following);
        Batch {
            db,
            shared,
            state,
            now: Timestamp(0),
            ticks: 0,
            number: 0,
            history: 0,
            jobs: HashMap::new(),
            tombstones: HashMap::new(),
            claims: HashMap::new(),
            leases: HashMap::new(),
            recorded: HashMap::new(),
            retries: HashMap::new(),
            parts: HashMap::new(),
            settings: HashMap::new(),
            objects: Objects::default(),
            leased_before: HashMap::new(),
            moves: HashMap::new(),
            queue_moves: HashMap::new(),
            events: Vec::new(),
            grown: Vec::new(),
            lease_changes: Vec::new(),
            follow_ups,
            inputs: 0,
            results: Vec::new(),
            reports: BTreeMap::new(),
            pieces: Vec::new(),
            set_queues: BTreeSet::new(),
            unwritten: HashMap::new(),
            written_leases: 0,
            written_events: 0,
            forgotten: Vec::new(),
            gone: BTreeSet::new(),
            cut: FeedCut::default(),
            due: Vec::new(),
            expirations: Vec::new(),
            named: Vec::new(),
            swept: false,
            left_over: false,
            unheard: false,
            wrote: false,
        }
    }

    /// Calls a rule with the time and randomness of this transaction.
    pub fn decide<T>(&mut self, rule: impl FnOnce(&mut Moment<'_>) -> T) -> T {
        rule(&mut self.moment().0)
    }

    pub fn moment(&mut self) -> (Moment<'_>, &mut IdMint) {
        self.state.tick = self.state.tick.max(self.now.0);
        let follow = self.follow_ups.rule();
        (Moment { now: self.now, tick: self.state.tick, rng: &mut self.state.rng, follow }, &mut self.state.mint)
    }

    /// A job that was asked for in `load`.
    pub fn job(&self, no: JobNo) -> Option<&Job> {
        self.jobs.get(&no)?.as_ref().map(|entry| &entry.job)
    }

    /// Takes over what the rules decided.
    pub fn apply_changes(&mut self, changes: Vec<Change>) -> Result<(), PgError> {
        // A rule that is wrong must not be written down: the transaction is given up, and counted.
        let seq = decide::check_changes(&changes).map_err(PgError::Refused)?;
        for change in changes {
            match change {
                Change::Insert(job, spec) => self.insert(*job, spec)?,
                Change::Update { state, attempt, job } => self.update((state, attempt, seq), *job)?,
                Change::Claim { scope, key, no, fingerprint } => self.claim(scope, key, no, fingerprint)?,
                Change::ClaimBatch { id, jobs, fingerprint } => {
                    self.claim_batch(&id, BatchClaim { jobs, fingerprint })?;
                }
                Change::Event(event) => self.events.push(event),
                Change::Result(no, result) => {
                    self.recorded.insert(no, Some(Recorded::of(&result)));
                    self.results.push((no, result));
                }
                Change::Failure(no, failure) => {
                    self.reports.entry(no).or_default().1 = Some(codec::failure_text(&failure)?);
                }
                Change::Progress(no, progress) => {
                    self.reports.entry(no).or_default().0 = Some(codec::progress_text(&progress)?);
                }
                Change::Piece(piece) => {
                    let ChunkPlace { no, kind, .. } = piece.place;
                    if self.grown.last() != Some(&(no, kind)) {
                        self.grown.push((no, kind));
                    }
                    self.parts.insert(piece.place, Some(piece.part()));
                    self.pieces.push(piece);
                }
                Change::Settings(name, settings) => {
                    self.settings.insert(name.clone(), settings);
                    self.set_queues.insert(name);
                }
                Change::Put { object, .. } => self.objects.put(object),
                Change::Delete { kind, name, .. } => self.objects.delete(kind, name),
                Change::Forget(job) => {
                    self.jobs.insert(job.no, None);
                    self.forgotten.push(*job);
                }
                // What goes of jobs that are forgotten this way is all erased, see [`Batch::purge_all`].
                Change::Erase(_) => {}
                Change::Extend(lease, ttl) => {
                    self.lease_changes.push(LeaseChange::Extend(lease, ttl, self.ticks.saturating_add(ttl)));
                }
                Change::AskToStop(lease) => self.lease_changes.push(LeaseChange::AskToStop(lease)),
                Change::EndLease(lease) => self.lease_changes.push(LeaseChange::End(lease)),
                Change::FollowUp(follow_up) => self.follow_ups.name(follow_up),
            }
        }
        Ok(())
    }

    fn insert(&mut self, job: Job, spec: Box<Spec>) -> Result<(), PgError> {
        if !self.shared.partitions.cover(job.no) {
            return Err(PgError::Uncovered(job.no));
        }
        let mut counts = Counts::default();
        counts[job.state as usize] += 1;
        counts[TICKETS] += 1;
        self.count((job.queue.clone(), job.kind.clone()), counts);
        let scheduled = (job.state == State::Scheduled).then_some(job.run_at);
        self.due.extend(scheduled.into_iter().chain(job.start_by).map(|at| at.0));
        self.state.scan_starts.lower(&job);
        self.retries.insert(job.no, Some(spec.retry));
        self.jobs.insert(job.no, Some(Entry { job, row: None, dirty: true, spec: Some(spec) }));
        Ok(())
    }

    fn update(&mut self, (state, attempt, seq): (State, u32, u32), job: Job) -> Result<(), PgError> {
        let no = job.no;
        let Some(Some(entry)) = self.jobs.get(&no).cloned() else {
            return Err(PgError::Refused("a job that is not there"));
        };
        if (entry.job.state, entry.job.attempt, entry.job.seq) != (state, attempt, seq) {
            return Err(PgError::Refused("a job is not as the rule found it"));
        }
        let mut counts = Counts::default();
        counts[state as usize] -= 1;
        counts[job.state as usize] += 1;
        counts[SERVED] += i64::from(attempt == 0 && state.is_waiting() && !job.state.is_waiting());
        self.count((job.queue.clone(), job.kind.clone()), counts);
        self.due.extend((job.state == State::Scheduled).then_some(job.run_at.0));
        self.state.scan_starts.lower(&job);
        self.expirations.extend(job.expires_at.map(|at| at.0));
        let entry = Entry { job, dirty: true, ..entry };
        self.jobs.insert(no, Some(entry));
        Ok(())
    }

    fn claim(&mut self, scope: ClaimScope, key: Box<[u8]>, no: JobNo, fingerprint: Digest) -> Result<(), PgError> {
        let Some(job) = self.job(no) else { return Err(PgError::Refused("a claim on a job that is not there")) };
        let queue = job.queue.clone();
        let key = ClaimKey::of(scope, &queue, key);
        let write = match self.claims.get(&key).and_then(Option::as_ref) {
            None => ClaimWrite::Insert,
            // Ids and keys stand for one job for as long as anyone remembers it.
            Some(_) if scope != ClaimScope::Equal => return Err(PgError::Refused("a name stands for two jobs")),
            Some(claim) if claim.write == ClaimWrite::Insert => ClaimWrite::Insert,
            Some(_) => ClaimWrite::Move,
        };
        self.claims.insert(key, Some(Claim { no, fingerprint, jobs: None, write }));
        Ok(())
    }

    /// Lets the request id of a batch stand for its jobs.
    fn claim_batch(&mut self, id: &str, BatchClaim { jobs, fingerprint }: BatchClaim) -> Result<(), PgError> {
        let key = ClaimKey::of_batch(id);
        if matches!(self.claims.get(&key), Some(Some(_))) {
            return Err(PgError::Refused("a request id stands for two batches"));
        }
        let no = jobs.last().copied().ok_or(PgError::Refused("a batch of no jobs"))?;
        let claim = Claim { no, fingerprint, jobs: Some(jobs), write: ClaimWrite::Insert };
        self.claims.insert(key, Some(claim));
        Ok(())
    }

    /// The numbers of a claim's scope and queue; `None` while its queue is not on disk.
    pub fn scope(&self, key: &ClaimKey) -> Option<(i16, i32)> {
        let number = |queue: &Name| self.shared.names.queues.number(queue.as_str());
        match key {
            ClaimKey::Id(_) => Some((ClaimScope::Id as i16, 0)),
            ClaimKey::Batch(_) => Some((ClaimScope::Batch as i16, 0)),
            ClaimKey::Key(queue, _) => Some((ClaimScope::Key as i16, number(queue)?)),
            ClaimKey::Equal(queue, _) => Some((ClaimScope::Equal as i16, number(queue)?)),
        }
    }

    /// Counts what a job's move changed.
    pub fn count(&mut self, pair: (Name, Name), counts: Counts) {
        if counts == Counts::default() {
            return;
        }
        sum(self.queue_moves.entry(pair.0.clone()).or_default(), &counts);
        sum(self.moves.entry(pair.clone()).or_default(), &counts);
        sum(self.unwritten.entry(pair).or_default(), &counts);
    }

    /// Counts of a queue, with what this transaction changed.
    pub fn in_queue(&self, queue: &Name) -> Counts {
        let mut counts = self.shared.counters.read().queues.get(queue).map(|queue| queue.counts).unwrap_or_default();
        if let Some(moved) = self.queue_moves.get(queue) {
            sum(&mut counts, moved);
        }
        counts
    }

    /// Jobs that wait in the whole store, with what this transaction changed.
    pub fn waiting_in_all(&self) -> i64 {
        let moved = self.queue_moves.values().map(waiting).sum::<i64>();
        self.shared.counters.read().waiting + moved
    }

    /// What is set on a queue, with what this transaction changed.
    pub fn settings(&self, queue: &Name) -> QueueSettings {
        let changed = self.settings.get(queue).cloned();
        changed.unwrap_or_else(|| {
            self.shared.counters.read().queues.get(queue).map(|queue| queue.settings.clone()).unwrap_or_default()
        })
    }
}
