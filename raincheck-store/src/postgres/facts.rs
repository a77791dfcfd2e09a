//! What the rules need to know, for many commands at once, in as few round trips as they take.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use futures_util::try_join;
use raincheck_core::{Command, Digest, JobId, JobNo, LeaseRef, Outcome, State};
use tokio_postgres::Row;

use super::batch::{Batch, ChunkEnd, ChunkPlace, Claim, ClaimKey, ClaimWrite, Entry};
use super::shared::Trouble;
use super::{chunks, figures, rows};
use crate::leases::KeptLease;

static JOBS: LazyLock<String> =
    LazyLock::new(|| format!("SELECT {} FROM job j WHERE j.no = ANY($1) ORDER BY j.no FOR UPDATE", rows::JOB));
const CLAIMS: &str = "SELECT c.scope, c.key, c.no, c.fingerprint FROM unnest($1::bigint[], $2::bytea[]) AS u (scope, key) \
    JOIN claim c ON c.scope = u.scope AND c.key = u.key ORDER BY 1, 2 FOR UPDATE OF c";
const SETTINGS: &str =
    "SELECT id, name, paused, max_queued, concurrency FROM queue WHERE name = ANY($1) ORDER BY id FOR UPDATE";
/// Whatever another node has just set counts here at once.
const HOLDS: &str =
    "SELECT id, name, paused, max_queued, concurrency FROM queue WHERE paused OR concurrency IS NOT NULL";
const GIVEN: &str = "SELECT id, nos, attempts FROM lease_request WHERE id = ANY($1)";
const QUEUES: &str = "SELECT id, name FROM queue WHERE name = ANY($1)";
const LEASES: &str = "SELECT no, attempt, ttl, until, timeout_at, cancel, worker FROM lease WHERE no = ANY($1) \
    ORDER BY no FOR UPDATE";
pub(super) const ALL_LEASES: &str = "SELECT no, attempt, ttl, until, timeout_at, cancel, worker FROM lease";
pub(super) const SOME_LEASES: &str =
    "SELECT no, attempt, ttl, until, timeout_at, cancel, worker FROM lease WHERE no = ANY($1)";
const TOMBSTONES: &str = "SELECT no, id FROM tombstone WHERE no = ANY($1)";
const RESULTS: &str = "SELECT no, digest, content_type, filename FROM result \
    WHERE no = ANY($1) AND no >= {low} AND no < {high}";
const RETRIES: &str = "SELECT no, retry_initial, retry_factor, retry_max, retry_jitter FROM spec \
    WHERE no = ANY($1) AND no >= {low} AND no < {high}";
const CHUNK_ENDS: &str = "SELECT u.no, u.kind, u.attempt, c.start + length(c.bytes), c.run, c.base \
    FROM unnest($1::bigint[], $2::smallint[], $3::integer[]) AS u (no, kind, attempt), LATERAL (SELECT start, bytes, run, \
    base FROM chunk WHERE no = u.no AND no >= {low} AND no < {high} AND kind = u.kind AND attempt = u.attempt \
    ORDER BY start DESC LIMIT 1) AS c";

/// What a number of commands ask for before anything is known.
#[derive(Default)]
pub(super) struct Wanted {
    jobs: BTreeSet<i64>,
    claims: BTreeMap<(i64, Box<[u8]>), ClaimKey>,
    leases: BTreeSet<i64>,
    settings: BTreeSet<String>,
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
            if let Command::Settle(settle) = command
                && matches!(settle.outcome, Outcome::Lost | Outcome::TimedOut)
            {
                self.leases.insert(settle.lease.no.0);
            }
            if let Command::Lease(asked) = command {
                self.holds = true;
                self.requests.extend(asked.request_id);
            }
        }
    }
}

/// What the database says to it.
#[derive(Default)]
pub(super) struct First {
    jobs: Vec<Row>,
    claims: Vec<Row>,
    leases: Vec<Row>,
    settings: Vec<Row>,
    holds: Vec<Row>,
    given: Vec<Row>,
}

impl Batch<'_> {
    /// Makes known the queues of keys that this node has not met: other nodes may have.
    pub(super) async fn meet_queues<'c>(&self, commands: impl Iterator<Item = &'c Command>) -> Result<(), Trouble> {
        let mut unknown = BTreeSet::new();
        for command in commands {
            let Command::Submit(all) = command else { continue };
            for new in all {
                let keyed = new.spec.key.is_some() || new.equal.is_some();
                if keyed && self.shared.queues.number(new.queue.as_str()).is_none() {
                    unknown.insert(new.queue.as_str());
                }
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = unknown.into_iter().collect();
        for row in self.db.query(QUEUES, &[&names]).await? {
            self.shared.queues.take(&row)?;
        }
        Ok(())
    }

    pub(super) fn wanted<'c>(&self, commands: impl Iterator<Item = &'c Command>) -> Wanted {
        let mut wanted = Wanted::default();
        for command in commands {
            match command {
                Command::Submit(all) => {
                    for new in all {
                        for key in ClaimKey::of(new).filter(|key| !self.claims.contains_key(key)) {
                            if let Some(scope) = self.scope(&key) {
                                wanted.claims.insert((scope, key.key().into()), key);
                            }
                        }
                        if let Some((no, _)) = new.id.and_then(JobId::parts) {
                            wanted.jobs.insert(no.0);
                            wanted.chosen.insert(no.0);
                        }
                    }
                }
                Command::Settle(settle) => drop(wanted.jobs.insert(settle.lease.no.0)),
                Command::Progress(LeaseRef { no, .. }, _) => drop(wanted.jobs.insert(no.0)),
                Command::Append(append) => drop(wanted.jobs.insert(append.lease.no.0)),
                Command::Cancel(cancel) => drop(wanted.jobs.insert(cancel.no.0)),
                Command::RunNow(no) | Command::Purge(no) => drop(wanted.jobs.insert(no.0)),
                Command::SetQueue(name, _) => drop(wanted.settings.insert(name.as_str().to_owned())),
                _ => {}
            }
        }
        wanted.jobs.retain(|no| !self.jobs.contains_key(&JobNo(*no)));
        wanted
    }

    /// Asks for what is wanted, all at once.
    pub(super) async fn ask(&self, wanted: &Wanted) -> Result<First, Trouble> {
        let jobs: Vec<i64> = wanted.jobs.iter().copied().collect();
        let leases: Vec<i64> = wanted.leases.iter().copied().collect();
        let settings: Vec<&str> = wanted.settings.iter().map(String::as_str).collect();
        let scopes: Vec<i64> = wanted.claims.keys().map(|(scope, _)| *scope).collect();
        let keys: Vec<&[u8]> = wanted.claims.keys().map(|(_, key)| &**key).collect();
        let requests: Vec<&[u8]> = wanted.requests.iter().map(|id| &id[..]).collect();
        let (claims, settings, holds, given, jobs, leases) = try_join!(
            async { self.ask_if(!keys.is_empty(), CLAIMS, &[&scopes, &keys]).await },
            async { self.ask_if(!settings.is_empty(), SETTINGS, &[&settings]).await },
            async { self.ask_if(wanted.holds, HOLDS, &[]).await },
            async { self.ask_if(!requests.is_empty(), GIVEN, &[&requests]).await },
            async { self.ask_if(!jobs.is_empty(), &JOBS, &[&jobs]).await },
            async { self.ask_if(!leases.is_empty(), LEASES, &[&leases]).await },
        )?;
        Ok(First { jobs, claims, leases, settings, holds, given })
    }

    async fn ask_if(
        &self,
        any: bool,
        sql: &'static str,
        parameters: super::db::Parameters<'_>,
    ) -> Result<Vec<Row>, Trouble> {
        if any { self.db.query(sql, parameters).await } else { Ok(Vec::new()) }
    }

    /// Asks for what lies in the partitions of these jobs.
    pub(super) async fn ask_within(
        &self,
        sql: &str,
        nos: &[i64],
        parameters: super::db::Parameters<'_>,
    ) -> Result<Vec<Row>, Trouble> {
        if nos.is_empty() {
            return Ok(Vec::new());
        }
        let sql = self.shared.stretches.around_all(nos.iter().copied()).put_into(sql);
        self.db.query_within(sql, parameters).await
    }

    /// Takes over the answers, and asks what they make it necessary to ask.
    pub(super) async fn absorb<'c>(
        &mut self,
        wanted: Wanted,
        first: First,
        commands: impl Iterator<Item = &'c Command> + Clone,
    ) -> Result<(), Trouble> {
        self.absorb_jobs(&first.jobs, wanted.jobs).await?;
        for row in &first.leases {
            let kept = kept_lease(row)?;
            self.leases.insert(kept.lease.no, kept);
        }
        for row in first.settings.iter().chain(&first.holds) {
            self.shared.queues.take(row)?;
            let name: &str = row.try_get(1)?;
            let name = raincheck_core::Name::new(name).map_err(|e| Trouble::Unreadable(e.to_string()))?;
            self.settings.entry(name).or_insert(figures::settings_of(row, 2)?);
        }
        for row in &first.given {
            let (nos, attempts): (Vec<i64>, Vec<i32>) = (row.try_get(1)?, row.try_get(2)?);
            let leases = nos.into_iter().zip(attempts);
            let leases = leases.map(|(no, attempt)| LeaseRef { no: JobNo(no), attempt: attempt.cast_unsigned() });
            self.given.insert(rows::digest(row, 0)?.unwrap_or_default(), leases.collect());
        }
        let mut unknown = wanted.claims;
        for row in &first.claims {
            let place = (row.try_get(0)?, row.try_get::<_, &[u8]>(1)?.into());
            let Some(key) = unknown.remove(&place) else { continue };
            let fingerprint = rows::digest(row, 3)?.unwrap_or_default();
            let claim = Claim { no: JobNo(row.try_get(2)?), fingerprint, write: ClaimWrite::None };
            self.claims.insert(key, Some(claim));
        }
        self.claims.extend(unknown.into_values().map(|key| (key, None)));
        let missing = |no: &i64| self.jobs.get(&JobNo(*no)).is_none_or(Option::is_none);
        let named: BTreeSet<i64> = first.claims.iter().map(|row| row.try_get(2)).collect::<Result<_, _>>()?;
        let tombstones: Vec<i64> = named.iter().copied().chain(wanted.chosen).filter(missing).collect();
        let named = named.into_iter().chain(self.given.values().flatten().map(|lease| lease.no.0));
        let jobs: BTreeSet<i64> = named.filter(|no| !self.jobs.contains_key(&JobNo(*no))).collect();
        self.ask_more(jobs, tombstones, commands).await
    }

    async fn ask_more<'c>(
        &mut self,
        jobs: BTreeSet<i64>,
        tombstones: Vec<i64>,
        commands: impl Iterator<Item = &'c Command>,
    ) -> Result<(), Trouble> {
        let (mut results, mut retries) = (BTreeSet::new(), BTreeSet::new());
        let mut ends: HashMap<ChunkPlace, ChunkEnd> = HashMap::new();
        for command in commands {
            match command {
                Command::Settle(settle) => {
                    let no = settle.lease.no;
                    let Some(job) = self.job(no) else { continue };
                    match settle.outcome {
                        Outcome::Complete(_) if job.state == State::Succeeded && !self.recorded.contains_key(&no) => {
                            results.insert(no.0);
                        }
                        Outcome::Fail { .. } | Outcome::TimedOut if !self.retries.contains_key(&no) => {
                            retries.insert(no.0);
                        }
                        _ => {}
                    }
                }
                Command::Append(append) => {
                    let place = (append.lease.no, append.kind, chunks::place(append.kind, append.lease.attempt));
                    if self.job(append.lease.no).is_some() && !self.chunk_ends.contains_key(&place) {
                        ends.insert(place, ChunkEnd::default());
                    }
                }
                _ => {}
            }
        }
        let asked: Vec<i64> = jobs.iter().copied().collect();
        let results: Vec<i64> = results.into_iter().collect();
        let retries: Vec<i64> = retries.into_iter().collect();
        let nos: Vec<i64> = ends.keys().map(|(no, ..)| no.0).collect();
        let kinds: Vec<i16> = ends.keys().map(|(_, kind, _)| *kind as i16).collect();
        let attempts: Vec<i32> = ends.keys().map(|(.., attempt)| rows::count(*attempt)).collect();
        let (found, tombstones, results, retries, found_ends) = try_join!(
            async { self.ask_if(!asked.is_empty(), &JOBS, &[&asked]).await },
            async { self.ask_if(!tombstones.is_empty(), TOMBSTONES, &[&tombstones]).await },
            async { self.ask_within(RESULTS, &results, &[&results]).await },
            async { self.ask_within(RETRIES, &retries, &[&retries]).await },
            async { self.ask_within(CHUNK_ENDS, &nos, &[&nos, &kinds, &attempts]).await },
        )?;
        self.absorb_jobs(&found, jobs).await?;
        for row in &tombstones {
            self.tombstones.insert(JobNo(row.try_get(0)?), JobId(row.try_get(1)?));
        }
        for row in &results {
            let text = |at| Ok::<_, Trouble>(row.try_get::<_, Option<&str>>(at)?.map(rows::plain));
            let recorded = (rows::digest(row, 1)?.unwrap_or_default(), text(2)?, text(3)?);
            self.recorded.insert(JobNo(row.try_get(0)?), recorded);
        }
        for row in &retries {
            let no = JobNo(row.try_get(0)?);
            let max_attempts = self.job(no).map_or(1, |job| job.max_attempts);
            self.retries.insert(no, rows::retry(row, 1, max_attempts)?);
        }
        for row in &found_ends {
            let (no, kind): (i64, i16) = (row.try_get(0)?, row.try_get(1)?);
            let place = ends.keys().find(|(n, k, a)| {
                n.0 == no && *k as i16 == kind && row.try_get(2).is_ok_and(|attempt: i32| attempt == rows::count(*a))
            });
            let Some(place) = place.copied() else { continue };
            let end: i64 = row.try_get(3)?;
            let (run, base): (i32, i64) = (row.try_get(4)?, row.try_get(5)?);
            let end = ChunkEnd { end: end.cast_unsigned(), run: run.cast_unsigned(), base: base.cast_unsigned() };
            ends.insert(place, end);
        }
        self.chunk_ends.extend(ends);
        Ok(())
    }

    /// Takes over rows of jobs; those that were asked for and are not there are known not to be.
    pub(super) async fn absorb_jobs(&mut self, found: &[Row], asked: BTreeSet<i64>) -> Result<(), Trouble> {
        self.shared.learn(self.db.client(), found, rows::JOB_NAMES).await?;
        for no in asked {
            self.jobs.insert(JobNo(no), None);
        }
        for row in found {
            let job = rows::job(row, self.shared)?;
            let row = Some((job.state, job.attempt, job.seq));
            self.jobs.insert(job.no, Some(Entry { job, row, dirty: false, spec: None }));
        }
        Ok(())
    }

    /// Loads what a number of commands need, in a transaction that has begun.
    pub(super) async fn load<'c>(
        &mut self,
        commands: impl Iterator<Item = &'c Command> + Clone,
    ) -> Result<(), Trouble> {
        let wanted = self.wanted(commands.clone());
        let first = self.ask(&wanted).await?;
        self.absorb(wanted, first, commands).await
    }
}

/// Reads a row of `lease`.
pub(super) fn kept_lease(row: &Row) -> Result<KeptLease, Trouble> {
    let attempt: i32 = row.try_get(1)?;
    Ok(KeptLease {
        lease: LeaseRef { no: JobNo(row.try_get(0)?), attempt: attempt.cast_unsigned() },
        ttl: row.try_get(2)?,
        lease_until: row.try_get(3)?,
        time_until: row.try_get(4)?,
        cancel_requested: row.try_get(5)?,
        worker: rows::plain(row.try_get(6)?),
    })
}
