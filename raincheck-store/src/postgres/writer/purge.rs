use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use futures_util::try_join;
use raincheck_core::{Command, Job, JobNo, Purged, Reply};

use super::batch::Batch;
use super::claim::ClaimKey;
use super::facts::batch_jobs;
use super::trim::FORGETS;
use crate::columns::number::RUNNING;
use crate::postgres::connection::db::Parameters;
use crate::postgres::error::PgError;
use crate::postgres::partitions::known::{PAYLOADS, Span};
use crate::postgres::tables::counters::Counts;
use crate::postgres::tables::rows;

pub(crate) static EXPIRED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {} FROM job j WHERE j.expires_at IS NOT NULL AND j.expires_at <= $1 AND j.state > {RUNNING} \
         AND j.expires_at >= $3 ORDER BY j.expires_at, j.no LIMIT $2 FOR UPDATE SKIP LOCKED",
        rows::JOB
    )
});
const BLOBS: &str = "DELETE FROM blob WHERE no = ANY($1) RETURNING no, name";
const TOMBSTONES: &str = "INSERT INTO tombstone (no, id, until, queue, kind) SELECT no, id, $3, queue, kind \
    FROM unnest($1::bigint[], $2::uuid[], $4::text[], $5::text[]) AS u (no, id, queue, kind)";
/// The full predicate: whatever led here, a job that is not final stays.
static JOBS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "DELETE FROM job j USING unnest($1::bigint[], $2::smallint[]) AS u (no, state) \
         WHERE j.no = u.no AND j.state = u.state AND j.state > {RUNNING}"
    )
});
const OVER: &str = "SELECT no FROM tombstone WHERE until <= $1 ORDER BY until, no LIMIT $2 FOR UPDATE SKIP LOCKED";
/// What stays of those that the feed still tells of.
const NAMES: &str = "UPDATE tombstone SET until = NULL WHERE no = ANY($1)";
const LAST_DROPPED: &str = "INSERT INTO meta (name, number) VALUES ('last_dropped', $1) \
    ON CONFLICT (name) DO UPDATE SET number = greatest(meta.number, excluded.number)";
const OLD_REQUESTS: &str = "DELETE FROM lease_request WHERE at < $1";

const BATCHES: &str = "SELECT key, jobs FROM claim WHERE no = ANY($1) AND scope = 3";
/// The last of them.
const REMEMBERED: &str = "SELECT u.no FROM unnest($1::bigint[]) WITH ORDINALITY AS u (no, place) \
    WHERE EXISTS (SELECT FROM job j WHERE j.no = u.no) \
    OR EXISTS (SELECT FROM tombstone t WHERE t.no = u.no AND t.until IS NOT NULL) ORDER BY place DESC LIMIT 1";
/// Held by who drops tombstones.
const TOMBSTONES_LOCK: &str = "SELECT pg_advisory_xact_lock(8241990467027)";

/// How long the answer of a lease request is remembered, milliseconds: a client that lost it asks again at once.
const REMEMBER_REQUESTS: i64 = 10 * 60_000;

impl Batch<'_> {
    /// Purges one by one what may be; jobs are loaded.
    pub(crate) async fn purge_all(&mut self, commands: &[&Command]) -> Result<Vec<Reply>, PgError> {
        let mut replies =
            commands.iter().map(|command| self.apply((*command).clone())).collect::<Result<Vec<_>, _>>()?;
        let forgotten = std::mem::take(&mut self.forgotten);
        self.erase(&forgotten).await?;
        let mut blobs = self.forget(&forgotten).await?;
        for (command, reply) in commands.iter().zip(&mut replies) {
            if let (Command::Purge(no), Reply::Purged(purged)) = (command, reply) {
                purged.blobs = blobs.remove(no).unwrap_or_default();
            }
        }
        Ok(replies)
    }

    pub(crate) async fn purge_expired(&mut self, limit: usize) -> Result<Reply, PgError> {
        let mut reply = self.sweep(&Command::PurgeExpired(limit)).await?;
        let jobs = std::mem::take(&mut self.forgotten);
        let mut blobs = self.forget(&jobs).await?;
        if let Reply::Swept(_, purged) = &mut reply {
            purged.blobs = jobs.iter().flat_map(|job| blobs.remove(&job.no).unwrap_or_default()).collect();
        }
        Ok(reply)
    }

    /// Forgets finished jobs but for their tombstones and the claims on them; answers the files they owned. What lies in
    /// partitions is invisible from then on, and goes with those.
    async fn forget(&mut self, jobs: &[Job]) -> Result<HashMap<JobNo, Vec<Box<str>>>, PgError> {
        let mut owned: HashMap<JobNo, Vec<Box<str>>> = HashMap::new();
        if jobs.is_empty() {
            return Ok(owned);
        }
        let nos: Vec<i64> = jobs.iter().map(|job| job.no.0).collect();
        let these: Parameters<'_> = &[&nos];
        let ids: Vec<uuid::Uuid> = jobs.iter().map(|job| job.id.0).collect();
        let states: Vec<i16> = jobs.iter().map(|job| job.state as i16).collect();
        let queues: Vec<&str> = jobs.iter().map(|job| job.queue.as_str()).collect();
        let kinds: Vec<&str> = jobs.iter().map(|job| job.kind.as_str()).collect();
        let until = self.now.plus(self.state.bounds.tombstone).0;
        let (finished, kept): (Parameters<'_>, Parameters<'_>) =
            (&[&nos, &states], &[&nos, &ids, &until, &queues, &kinds]);
        // Known by now, or what counts events would overtake what is to be done before it.
        self.db.prepare(&[FORGETS]).await?;
        let (gone, blobs, _, _, weighed) = try_join!(
            self.db.execute(&JOBS, finished),
            self.db.query(BLOBS, these),
            self.db.execute("DELETE FROM claim WHERE no = ANY($1) AND scope = 2", these),
            self.db.execute(TOMBSTONES, kept),
            self.weigh(&nos),
        )?;
        if gone != jobs.len() as u64 {
            return Err(PgError::Refused("a job that is not finished was to be forgotten"));
        }
        for row in &blobs {
            owned.entry(JobNo(row.try_get(0)?)).or_default().push(row.try_get::<_, &str>(1)?.into());
        }
        self.let_go(&weighed)?;
        self.wrote = true;
        self.state.found_no_name = None;
        for job in jobs {
            let mut counts = Counts::default();
            counts[job.state as usize] -= 1;
            self.count((job.queue.clone(), job.kind.clone()), counts);
            self.jobs.insert(job.no, None);
            self.tombstones.insert(job.no, Some(job.id));
            self.gone.insert(job.no);
        }
        for (key, claim) in &mut self.claims {
            if matches!(key, ClaimKey::Equal(..)) && claim.as_ref().is_some_and(|it| self.gone.contains(&it.no)) {
                *claim = None;
            }
        }
        Ok(owned)
    }

    /// Removes at once what was written about forgotten jobs: somebody asked for that.
    async fn erase(&self, jobs: &[Job]) -> Result<(), PgError> {
        let nos: Vec<i64> = jobs.iter().map(|job| job.no.0).collect();
        let Span { low, high } = self.shared.partitions.around_all(nos.iter().copied());
        let these = format!("WHERE no = ANY($1) AND no >= {low} AND no < {high}");
        for table in PAYLOADS {
            self.db.execute_within(format!("DELETE FROM {table} {these}"), &[&nos]).await?;
        }
        // That something happened stays in its place in the feed.
        self.db.execute_within(format!("UPDATE event SET data = NULL {these} AND data IS NOT NULL"), &[&nos]).await?;
        Ok(())
    }

    /// Drops tombstones whose time is over, with the claims of their jobs, and old answers to lease requests; and sees
    /// to it that partitions and the feed are looked after.
    pub(crate) async fn drop_tombstones(&mut self, limit: usize) -> Result<Reply, PgError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let before = self.now.0 - REMEMBER_REQUESTS;
        let (requests, tombstones): (Parameters<'_>, Parameters<'_>) = (&[&before], &[&self.now.0, &limit]);
        let (_, over) = try_join!(self.db.execute(OLD_REQUESTS, requests), self.db.query(OVER, tombstones))?;
        let over: Vec<i64> = over.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        if let Some(last) = over.iter().max() {
            // Numbers are not given twice, even when nothing is left that remembers them.
            self.pass_on(&over).await?;
            let still_in_feed = self.still_in_feed(&over).await?;
            let (named, silent): (Vec<i64>, Vec<i64>) = over.iter().copied().partition(|no| still_in_feed.contains(no));
            let (these, latest): (Parameters<'_>, Parameters<'_>) = (&[&over], &[last]);
            let (named, silent): (Parameters<'_>, Parameters<'_>) = (&[&named], &[&silent]);
            try_join!(
                self.db.execute("DELETE FROM claim WHERE no = ANY($1)", these),
                self.db.execute(NAMES, named),
                self.db.execute("DELETE FROM tombstone WHERE no = ANY($1)", silent),
                self.db.execute(LAST_DROPPED, latest),
            )?;
            self.wrote = true;
            self.state.found_no_name = None;
            let over: BTreeSet<i64> = over.iter().copied().collect();
            self.tombstones.extend(over.iter().map(|no| (JobNo(*no), None)));
            for claim in self.claims.values_mut() {
                *claim = claim.take().filter(|claim| !over.contains(&claim.no.0));
            }
        }
        self.shared.maintenance_due.notify_one();
        Ok(Reply::Swept(over.len(), Purged::default()))
    }

    /// Lets the request ids of batches go by another job that is here or remembered, where there is one besides those that
    /// are about to be forgotten.
    async fn pass_on(&mut self, over: &[i64]) -> Result<(), PgError> {
        // What another node forgets at this moment would be taken for remembered.
        self.db.run(TOMBSTONES_LOCK).await?;
        for row in &self.db.query(BATCHES, &[&over]).await? {
            let jobs = batch_jobs(row, 1)?.unwrap_or_default();
            let others: Vec<i64> = jobs.iter().map(|no| no.0).filter(|no| !over.contains(no)).collect();
            if let Some(other) = self.db.query(REMEMBERED, &[&others]).await?.first() {
                let (key, no): (&[u8], i64) = (row.try_get(0)?, other.try_get(0)?);
                self.db
                    .execute("UPDATE claim SET no = $2 WHERE scope = 3 AND queue = 0 AND key = $1", &[&key, &no])
                    .await?;
                self.claims.remove(&ClaimKey::Batch(key.into()));
            }
        }
        Ok(())
    }
}
