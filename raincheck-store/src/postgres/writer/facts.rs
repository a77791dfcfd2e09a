//! What the rules need to know, for many commands at once, in as few round trips as they take.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};

use futures_util::try_join;
use raincheck_core::interpreter::{self, ChunkPlace, Fact, Facts, Held, Needs, Part, Recorded};
use raincheck_core::{Command, Digest, JobId, JobNo, LeaseRef, Overdue};
use tokio_postgres::Row;

use super::batch::Batch;
use super::claim::{Claim, ClaimKey, ClaimWrite};
use super::overlay::{Entry, LeaseChange, ObjectKey};
use crate::codec::unpacked_jobs;
use crate::leases::KeptLease;
use crate::postgres::connection::db::Parameters;
use crate::postgres::error::PgError;
use crate::postgres::locks::REQUEST_LOCK;
use crate::postgres::tables::rows;
use crate::postgres::tables::text;
use crate::postgres::tables::{counters, leases};

static JOBS: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM job j WHERE j.no = ANY($1) ORDER BY j.no FOR UPDATE", rows::JOB));
const CLAIMS: &str = "SELECT c.scope, c.key, c.no, c.fingerprint, c.queue, c.jobs \
    FROM unnest($1::smallint[], $2::integer[], $3::bytea[]) AS u (scope, queue, key) \
    JOIN claim c ON c.scope = u.scope AND c.queue = u.queue AND c.key = u.key \
    ORDER BY c.scope, c.queue, c.key FOR UPDATE OF c";
const SETTINGS: &str =
    "SELECT id, name, paused, max_queued, concurrency FROM queue WHERE name = ANY($1) ORDER BY id FOR UPDATE";
/// Whatever another node has just set counts here at once.
const HOLDS: &str =
    "SELECT id, name, paused, max_queued, concurrency FROM queue WHERE paused OR concurrency IS NOT NULL";
pub(super) const GIVEN: &str = "SELECT id, nos, attempts FROM lease_request WHERE id = ANY($1)";
/// Before any row: whoever has one waits for none of these.
static LOCK_REQUESTS: LazyLock<String> =
    LazyLock::new(|| format!("SELECT pg_advisory_xact_lock({REQUEST_LOCK}, k) FROM unnest($1::integer[]) AS k"));
const QUEUES: &str = "SELECT id, name FROM queue WHERE name = ANY($1)";
const LEASES: &str = "SELECT no, attempt, ttl, until, timeout_at, cancel, worker, kept FROM lease WHERE no = ANY($1) \
    ORDER BY no FOR UPDATE";
const TOMBSTONES: &str = "SELECT no, id FROM tombstone WHERE no = ANY($1) AND until IS NOT NULL";
const RESULTS: &str = "SELECT no, digest, content_type, filename FROM result \
    WHERE no = ANY($1) AND no >= {low} AND no < {high}";
const RETRIES: &str = "SELECT no, retry_initial, retry_factor, retry_max, retry_jitter FROM spec \
    WHERE no = ANY($1) AND no >= {low} AND no < {high}";
const CHUNK_ENDS: &str = "SELECT u.no, u.kind, u.attempt, c.start + length(c.bytes), c.run, c.base \
    FROM unnest($1::bigint[], $2::smallint[], $3::integer[]) AS u (no, kind, attempt), LATERAL (SELECT start, bytes, run, \
    base FROM chunk WHERE no = u.no AND no >= {low} AND no < {high} AND kind = u.kind AND attempt = u.attempt \
    ORDER BY start DESC LIMIT 1) AS c";

type ClaimPlace = ((i16, i32), Box<[u8]>);

/// What a number of commands ask for before anything is known.
#[derive(Default)]
pub(crate) struct Wanted {
    jobs: BTreeSet<i64>,
    /// By the numbers of their scopes and queues, and their keys.
    claims: BTreeMap<ClaimPlace, ClaimKey>,
    leases: BTreeSet<i64>,
    settings: BTreeSet<String>,
    objects: BTreeSet<ObjectKey>,
    /// Which queues hold their jobs back.
    holds: bool,
    /// Lease requests that may have been answered before.
    requests: BTreeSet<Digest>,
    /// Ids that were chosen and look like ones of our own making.
    chosen: BTreeSet<i64>,
}

impl Wanted {
    /// What must be known as it stands when the transaction begins: the leases of runs that some command takes for lost;
    /// where jobs are asked for, which queues hold theirs back, and what was answered before.
    pub fn add_leases<'c>(&mut self, commands: impl Iterator<Item = &'c Command>) {
        for command in commands {
            self.leases.extend(interpreter::needs(command, &Facts::default()).lease.map(|lease| lease.no.0));
            if let Command::Lease(asked) = command {
                self.holds = true;
                self.requests.extend(asked.request_id);
            }
        }
    }
}

/// What the database says to it.
#[derive(Default)]
pub(crate) struct First {
    jobs: Vec<Row>,
    claims: Vec<Row>,
    leases: Vec<Row>,
    settings: Vec<Row>,
    holds: Vec<Row>,
    leased_before: Vec<Row>,
    objects: (Vec<Row>, Vec<Row>),
}

impl Batch<'_> {
    /// Makes known the queues of keys that this node has not met: other nodes may have.
    pub(crate) async fn meet_queues<'c>(&self, commands: impl Iterator<Item = &'c Command>) -> Result<(), PgError> {
        let mut unknown = BTreeSet::new();
        for command in commands {
            for new in command.new_jobs() {
                let keyed = new.spec.key.is_some() || new.equal.is_some();
                if keyed && self.shared.names.queues.number(new.queue.as_str()).is_none() {
                    unknown.insert(new.queue.as_str());
                }
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = unknown.into_iter().collect();
        for row in self.db.query(QUEUES, &[&names]).await? {
            self.shared.names.queues.take(&row)?;
        }
        Ok(())
    }

    /// What is known of what a command must know, and what is not yet.
    pub(crate) fn known_of<'c>(&self, command: &'c Command) -> (Facts, Needs<'c>) {
        let (mut facts, mut before) = (Facts::default(), Needs::default());
        loop {
            let needs = interpreter::needs(command, &facts);
            if needs == before {
                return (facts, needs);
            }
            if let Some(known) = needs.job.and_then(|no| self.jobs.get(&no)) {
                facts.job = known.as_ref().map(|entry| entry.job.clone()).into();
            }
            if let Some((run, known)) = needs.lease.and_then(|run| Some((run, self.leases.get(&run.no)?))) {
                facts.lease = known.as_ref().map(|kept| self.held(run, kept)).into();
            }
            if let Some(known) = needs.recorded.and_then(|no| self.recorded.get(&no)) {
                facts.recorded = known.clone().into();
            }
            if let Some(known) = needs.retry.and_then(|no| self.retries.get(&no)) {
                facts.retry = (*known).into();
            }
            if let Some(known) = needs.part.and_then(|place| self.parts.get(&place)) {
                facts.part = (*known).into();
            }
            if let Some(known) = needs.object.and_then(|(kind, name)| self.objects.named(kind, name)) {
                facts.object = Fact::Here(known);
            }
            before = needs;
        }
    }

    /// How the lease of a run stands: the deadline in the predicate of every sweeping settle.
    fn held(&self, run: LeaseRef, kept: &KeptLease) -> Held {
        let grace = self.shared.regained.load(Ordering::Acquire).saturating_add(kept.ttl);
        let is_on = kept.lease == run && self.job(run.no).is_some_and(|job| job.attempt == run.attempt);
        // What a hand-over in this transaction gave counts at once.
        let is_extended = |c: &LeaseChange| matches!(c, LeaseChange::Extend(it, ..) if *it == run);
        let overdue = if self.unheard || !is_on || self.lease_changes.iter().any(is_extended) {
            None
        } else {
            Overdue::of(kept.lease_until.max(grace) - self.ticks, kept.time_until.saturating_sub(self.ticks))
        };
        Held { overdue, worker: kept.worker.clone() }
    }

    pub(crate) fn wanted<'c>(&self, commands: impl Iterator<Item = &'c Command>) -> Wanted {
        let mut wanted = Wanted::default();
        for command in commands {
            match command {
                Command::Submit(_) | Command::SubmitBatch(_) => {
                    for key in ClaimKey::all_of(command).filter(|key| !self.claims.contains_key(key)) {
                        if let Some(scope) = self.scope(&key) {
                            wanted.claims.insert((scope, key.key().into()), key);
                        }
                    }
                    for (no, _) in command.new_jobs().iter().filter_map(|new| new.id.and_then(JobId::parts)) {
                        wanted.jobs.insert(no.0);
                        wanted.chosen.insert(no.0);
                    }
                }
                command => {
                    let (_, needs) = self.known_of(command);
                    wanted.jobs.extend(needs.job.map(|no| no.0));
                    wanted.settings.extend(needs.queue.map(|name| name.as_str().to_owned()));
                    wanted.objects.extend(needs.object.map(|(kind, name)| (kind, name.clone())));
                }
            }
        }
        wanted.jobs.retain(|no| !self.jobs.contains_key(&JobNo(*no)));
        wanted
    }

    /// Asks for what is wanted, all at once.
    pub(crate) async fn ask(&self, wanted: &Wanted) -> Result<First, PgError> {
        let jobs: Vec<i64> = wanted.jobs.iter().copied().collect();
        let leases: Vec<i64> = wanted.leases.iter().copied().collect();
        let settings: Vec<&str> = wanted.settings.iter().map(String::as_str).collect();
        let (scopes, queues): (Vec<i16>, Vec<i32>) = wanted.claims.keys().map(|(scope, _)| *scope).unzip();
        let keys: Vec<&[u8]> = wanted.claims.keys().map(|(_, key)| &**key).collect();
        let requests: Vec<&[u8]> = wanted.requests.iter().map(|id| &id[..]).collect();
        let locks: BTreeSet<i32> = wanted.requests.iter().map(request_lock).collect();
        let locks: Vec<i32> = locks.into_iter().collect();
        let (_, claims, settings, holds, leased_before, jobs, leases, objects) = try_join!(
            async { self.ask_if(!locks.is_empty(), &LOCK_REQUESTS, &[&locks]).await },
            async { self.ask_if(!keys.is_empty(), CLAIMS, &[&scopes, &queues, &keys]).await },
            async { self.ask_if(!settings.is_empty(), SETTINGS, &[&settings]).await },
            async { self.ask_if(wanted.holds, HOLDS, &[]).await },
            async { self.ask_if(!requests.is_empty(), GIVEN, &[&requests]).await },
            async { self.ask_if(!jobs.is_empty(), &JOBS, &[&jobs]).await },
            async { self.ask_if(!leases.is_empty(), LEASES, &[&leases]).await },
            self.ask_objects(&wanted.objects),
        )?;
        Ok(First { jobs, claims, leases, settings, holds, leased_before, objects })
    }

    async fn ask_if(&self, any: bool, sql: &'static str, parameters: Parameters<'_>) -> Result<Vec<Row>, PgError> {
        if any { self.db.query(sql, parameters).await } else { Ok(Vec::new()) }
    }

    /// Asks for what lies in the partitions of these jobs.
    pub(crate) async fn ask_within(
        &self,
        sql: &str,
        nos: &[i64],
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, PgError> {
        if nos.is_empty() {
            return Ok(Vec::new());
        }
        let sql = self.shared.partitions.around_all(nos.iter().copied()).put_into(sql);
        self.db.query_within(sql, parameters).await
    }

    /// Takes over the answers, and asks what they make it necessary to ask.
    pub(crate) async fn absorb<'c>(
        &mut self,
        wanted: Wanted,
        first: First,
        commands: impl Iterator<Item = &'c Command> + Clone,
    ) -> Result<(), PgError> {
        self.absorb_jobs(&first.jobs, wanted.jobs).await?;
        self.leases.extend(wanted.leases.iter().map(|no| (JobNo(*no), None)));
        for row in &first.leases {
            let kept = leases::kept_lease(row)?;
            self.leases.insert(kept.lease.no, Some(kept));
        }
        for row in first.settings.iter().chain(&first.holds) {
            self.shared.names.queues.take(row)?;
            let name: &str = row.try_get(1)?;
            let name = raincheck_core::Name::new(name).map_err(|e| PgError::Unreadable(e.to_string()))?;
            self.settings.entry(name).or_insert(counters::settings_of(row, 2)?);
        }
        for row in &first.leased_before {
            let (nos, attempts): (Vec<i64>, Vec<i32>) = (row.try_get(1)?, row.try_get(2)?);
            let leases = nos.into_iter().zip(attempts);
            let leases = leases.map(|(no, attempt)| LeaseRef { no: JobNo(no), attempt: attempt.cast_unsigned() });
            self.leased_before.insert(rows::digest(row, 0)?.unwrap_or_default(), leases.collect());
        }
        self.absorb_objects(wanted.objects, &first.objects)?;
        let (mut unknown, mut named) = (wanted.claims, BTreeSet::new());
        for row in &first.claims {
            let place = ((row.try_get(0)?, row.try_get(4)?), row.try_get::<_, &[u8]>(1)?.into());
            let Some(key) = unknown.remove(&place) else { continue };
            let fingerprint = rows::digest(row, 3)?.unwrap_or_default();
            let (no, jobs) = (JobNo(row.try_get(2)?), batch_jobs(row, 5)?);
            match &jobs {
                Some(jobs) => named.extend(jobs.iter().map(|no| no.0)),
                None => drop(named.insert(no.0)),
            }
            self.claims.insert(key, Some(Claim { no, fingerprint, jobs, write: ClaimWrite::None }));
        }
        self.claims.extend(unknown.into_values().map(|key| (key, None)));
        let missing = |no: &i64| self.jobs.get(&JobNo(*no)).is_none_or(Option::is_none);
        let tombstones: Vec<i64> = named.iter().copied().chain(wanted.chosen).filter(missing).collect();
        let named = named.into_iter().chain(self.leased_before.values().flatten().map(|lease| lease.no.0));
        let jobs: BTreeSet<i64> = named.filter(|no| !self.jobs.contains_key(&JobNo(*no))).collect();
        self.ask_more(jobs, tombstones, commands).await
    }

    async fn ask_more<'c>(
        &mut self,
        jobs: BTreeSet<i64>,
        tombstones: Vec<i64>,
        commands: impl Iterator<Item = &'c Command>,
    ) -> Result<(), PgError> {
        let (mut results, mut retries) = (BTreeSet::new(), BTreeSet::new());
        let mut parts: BTreeSet<(i64, i16, u32)> = BTreeSet::new();
        for command in commands {
            let (_, needs) = self.known_of(command);
            results.extend(needs.recorded.map(|no| no.0));
            retries.extend(needs.retry.map(|no| no.0));
            parts.extend(needs.part.map(|ChunkPlace { no, kind, attempt }| (no.0, kind as i16, attempt)));
        }
        let asked: Vec<i64> = jobs.iter().copied().collect();
        let results: Vec<i64> = results.into_iter().collect();
        let retries: Vec<i64> = retries.into_iter().collect();
        let nos: Vec<i64> = parts.iter().map(|(no, ..)| *no).collect();
        let kinds: Vec<i16> = parts.iter().map(|(_, kind, _)| *kind).collect();
        let attempts: Vec<i32> = parts.iter().map(|(.., attempt)| rows::count(*attempt)).collect();
        let (found, found_tombstones, found_results, found_retries, ends) = try_join!(
            async { self.ask_if(!asked.is_empty(), &JOBS, &[&asked]).await },
            async { self.ask_if(!tombstones.is_empty(), TOMBSTONES, &[&tombstones]).await },
            async { self.ask_within(RESULTS, &results, &[&results]).await },
            async { self.ask_within(RETRIES, &retries, &[&retries]).await },
            async { self.ask_within(CHUNK_ENDS, &nos, &[&nos, &kinds, &attempts]).await },
        )?;
        self.absorb_jobs(&found, jobs).await?;
        self.tombstones.extend(tombstones.into_iter().map(|no| (JobNo(no), None)));
        for row in &found_tombstones {
            self.tombstones.insert(JobNo(row.try_get(0)?), Some(JobId(row.try_get(1)?)));
        }
        self.recorded.extend(results.into_iter().map(|no| (JobNo(no), None)));
        for row in &found_results {
            let text = |at| Ok::<_, PgError>(row.try_get::<_, Option<&str>>(at)?.map(text::plain));
            let digest = rows::digest(row, 1)?.unwrap_or_default();
            let recorded = Recorded { digest, content_type: text(2)?, filename: text(3)? };
            self.recorded.insert(JobNo(row.try_get(0)?), Some(recorded));
        }
        self.retries.extend(retries.into_iter().map(|no| (JobNo(no), None)));
        for row in &found_retries {
            let no = JobNo(row.try_get(0)?);
            let max_attempts = self.job(no).map_or(1, |job| job.max_attempts);
            self.retries.insert(no, Some(rows::retry(row, 1, max_attempts)?));
        }
        let place = |no, kind, attempt| ChunkPlace { no: JobNo(no), kind: rows::chunk_kind(kind), attempt };
        self.parts.extend(parts.into_iter().map(|(no, kind, attempt)| (place(no, kind, attempt), None)));
        for row in &ends {
            let place = place(row.try_get(0)?, row.try_get(1)?, row.try_get::<_, i32>(2)?.cast_unsigned());
            let (end, run, base): (i64, i32, i64) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
            let part = Part { end: end.cast_unsigned(), run: run.cast_unsigned(), base: base.cast_unsigned() };
            self.parts.insert(place, Some(part));
        }
        Ok(())
    }

    /// Takes over rows of jobs; those that were asked for and are not there are known not to be.
    pub(crate) async fn absorb_jobs(&mut self, found: &[Row], asked: BTreeSet<i64>) -> Result<(), PgError> {
        self.shared.load_missing(self.db.client(), found, rows::JOB_NAMES).await?;
        for no in asked {
            self.jobs.insert(JobNo(no), None);
        }
        for row in found {
            let job = rows::job(row, &self.shared.names)?;
            let row = Some((job.state, job.attempt, job.seq));
            self.jobs.insert(job.no, Some(Entry { job, row, dirty: false, spec: None }));
        }
        Ok(())
    }

    /// Loads what a number of commands need, in a transaction that has begun.
    pub(crate) async fn load<'c>(
        &mut self,
        commands: impl Iterator<Item = &'c Command> + Clone,
    ) -> Result<(), PgError> {
        let wanted = self.wanted(commands.clone());
        let first = self.ask(&wanted).await?;
        self.absorb(wanted, first, commands).await
    }
}

/// Where a lease request is locked; others in the same place wait for no reason, and not long.
fn request_lock(id: &Digest) -> i32 {
    id[..4].iter().fold(0, |place, byte| place << 8 | i32::from(*byte))
}

/// Reads `claim.jobs`: what the request id of a batch stands for.
pub(crate) fn batch_jobs(row: &Row, at: usize) -> Result<Option<Arc<[JobNo]>>, PgError> {
    let Some(packed) = row.try_get::<_, Option<&[u8]>>(at)? else { return Ok(None) };
    let damaged = || PgError::Unreadable("the jobs of a batch are not numbers".to_owned());
    unpacked_jobs(packed).map(Some).ok_or_else(damaged)
}
