//! Writes what a transaction decided so far, set by set, all sets sent at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use futures_util::try_join;
use raincheck_core::{Content, JobNo, Name, State};
use tokio_postgres::types::ToSql;

use super::batch::Batch;
use super::claim::ClaimWrite;
use super::commit;
use super::jobs;
use crate::codec::packed_jobs;
use crate::columns::{Columns, Kept, insert_arrays, parameters, split};
use crate::postgres::error::PgError;
use crate::postgres::tables::counters::Counts;
use crate::postgres::tables::rows;
use crate::postgres::tables::text;
use crate::rules::known;

const QUEUE_NAMES: &str = "INSERT INTO queue (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING";
const QUEUES: &str = "SELECT id, name FROM queue WHERE name = ANY($1)";
const KIND_NAMES: &str = "INSERT INTO kind (name) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING";
const KINDS: &str = "SELECT id, name FROM kind WHERE name = ANY($1)";
const SETTINGS: &str = "UPDATE queue q SET paused = u.paused, max_queued = u.max_queued, concurrency = u.concurrency \
    FROM unnest($1::text[], $2::boolean[], $3::bigint[], $4::bigint[]) AS u (name, paused, max_queued, concurrency) \
    WHERE q.name = u.name";
const CLAIMS: &str = "INSERT INTO claim SELECT * FROM \
    unnest($1::smallint[], $2::integer[], $3::bytea[], $4::bigint[], $5::bytea[]) \
    ON CONFLICT DO NOTHING";
const BATCH_CLAIMS: &str = "INSERT INTO claim SELECT * FROM \
    unnest($1::smallint[], $2::integer[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bytea[]) \
    ON CONFLICT DO NOTHING";
const MOVED_CLAIMS: &str = "UPDATE claim c SET no = u.no, fingerprint = u.fingerprint \
    FROM unnest($1::smallint[], $2::integer[], $3::bytea[], $4::bigint[], $5::bytea[]) \
    AS u (scope, queue, key, no, fingerprint) WHERE c.scope = u.scope AND c.queue = u.queue AND c.key = u.key";
static RESULTS: LazyLock<String> = LazyLock::new(|| insert_arrays("result", &[Kept::NAMES], &[Kept::TYPES]));
const BLOBS: &str = "INSERT INTO blob (name, no, digest) \
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[]) ON CONFLICT DO NOTHING";
const SWEPT: &str = "SELECT FROM blob WHERE name = ANY($1) AND no = 0";
const REPORTS: &str = "INSERT INTO report SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[]) \
    ON CONFLICT (no) DO UPDATE SET progress = coalesce(excluded.progress, report.progress), \
    failure = coalesce(excluded.failure, report.failure)";
const PIECES: &str = "INSERT INTO chunk SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::bigint[], \
    $5::integer[], $6::bigint[], $7::text[], $8::bytea[])";
/// By where the row lies: as long as somebody's transaction is open, a way by key passes all versions that it ever had. So
/// the key is compared by what no index can find.
const COUNTERS_THERE: &str = "UPDATE counter c SET n = c.n + u.n FROM unnest($1::integer[], $2::integer[], $3::smallint[], \
    $4::bigint[], $5::text[]::tid[]) AS u (queue, kind, state, n, place) WHERE c.ctid = u.place \
    AND (c.queue, c.kind, c.state, c.node) IS NOT DISTINCT FROM (u.queue, u.kind, u.state, $6::integer) \
    RETURNING c.queue, c.kind, c.state, c.ctid::text";
const COUNTERS: &str = "INSERT INTO counter SELECT u.queue, u.kind, u.state, $5, u.n \
    FROM unnest($1::integer[], $2::integer[], $3::smallint[], $4::bigint[]) AS u (queue, kind, state, n) \
    ON CONFLICT (queue, kind, state, node) DO UPDATE SET n = counter.n + excluded.n \
    RETURNING queue, kind, state, ctid::text";

impl Batch<'_> {
    /// Writes what was decided; events at the end of the transaction only, when it is known which of them stay. What
    /// another node has changed meanwhile is not overwritten: the transaction is given up.
    pub(crate) async fn flush(&mut self, is_last: bool) -> Result<(), PgError> {
        let sums = self.sum_up().await?;
        self.write(&sums, is_last).await?;
        self.written(is_last);
        Ok(())
    }

    /// The first step of [`Batch::flush`]: whatever needs a number gets one.
    pub(crate) async fn sum_up(&mut self) -> Result<Sums, PgError> {
        let moved = std::mem::take(&mut self.unwritten);
        let set = std::mem::take(&mut self.set_queues);
        self.name(moved.keys().map(|(queue, _)| queue).chain(&set), moved.keys().map(|(_, kind)| kind)).await?;
        Ok(Sums { counters: self.counter_rows(moved)?, set, results: std::mem::take(&mut self.results) })
    }

    /// The second step: all statements at once, beside which others may be sent.
    pub(crate) async fn write(&self, Sums { counters, set, results }: &Sums, is_last: bool) -> Result<(), PgError> {
        try_join!(
            jobs::insert(self),
            jobs::update(self),
            self.write_claims(ClaimWrite::Insert),
            self.write_claims(ClaimWrite::Move),
            self.write_results(results),
            self.write_reports(),
            self.write_leases(),
            self.write_pieces(),
            self.write_settings(set),
            self.write_objects(),
            self.write_counters(counters),
            async { if is_last { commit::insert(self).await } else { Ok(()) } },
        )?;
        Ok(())
    }

    /// Whether [`Batch::flush`] has something to write beside events.
    pub(crate) fn is_pending(&self) -> bool {
        !self.unwritten.is_empty()
            || !self.set_queues.is_empty()
            || self.objects.is_dirty()
            || !self.pieces.is_empty()
            || !self.reports.is_empty()
            || !self.results.is_empty()
            || self.written_leases < self.lease_changes.len()
            || self.claims.values().flatten().any(|claim| claim.write != ClaimWrite::None)
            || self.jobs.values().flatten().any(|entry| entry.dirty)
    }

    /// Whether rows of the database say otherwise than what is known here which jobs are queued.
    pub(crate) fn hides_queued(&self) -> bool {
        let is_queued = |state| state == State::Queued;
        let mut dirty = self.jobs.values().flatten().filter(|entry| entry.dirty);
        dirty.any(|entry| is_queued(entry.job.state) || entry.row.is_some_and(|row| is_queued(row.0)))
    }

    /// The last step: from now on the rows say what is known here.
    pub(crate) fn written(&mut self, is_last: bool) {
        self.wrote = true;
        if is_last {
            self.written_events = self.events.len();
        }
        for entry in self.jobs.values_mut().flatten() {
            entry.row = Some((entry.job.state, entry.job.attempt, entry.job.seq));
            entry.dirty = false;
            entry.spec = None;
        }
        for claim in self.claims.values_mut().flatten() {
            claim.write = ClaimWrite::None;
        }
        self.objects.written();
        self.reports.clear();
        self.pieces.clear();
        self.written_leases = self.lease_changes.len();
    }

    /// Gives numbers to names that have none. They are known at once; a transaction that is given up takes them back.
    async fn name<'n>(
        &mut self,
        queues: impl Iterator<Item = &'n Name>,
        kinds: impl Iterator<Item = &'n Name>,
    ) -> Result<(), PgError> {
        let all = [
            (true, &self.shared.names.queues, QUEUE_NAMES, QUEUES, queues.collect::<BTreeSet<_>>()),
            (false, &self.shared.names.kinds, KIND_NAMES, KINDS, kinds.collect::<BTreeSet<_>>()),
        ];
        for (is_queue, names, insert, select, asked) in all {
            let new: Vec<&str> =
                asked.into_iter().map(Name::as_str).filter(|name| names.number(name).is_none()).collect();
            if new.is_empty() {
                continue;
            }
            let parameters: [&(dyn ToSql + Sync); 1] = [&new];
            // Known by now, or one would overtake the other while that is still being prepared.
            self.db.prepare(&[insert, select]).await?;
            let (_, found) = try_join!(self.db.execute(insert, &parameters), self.db.query(select, &parameters))?;
            for row in &found {
                names.take(row)?;
                self.named.push((is_queue, row.try_get(0)?));
            }
        }
        Ok(())
    }

    async fn write_claims(&self, write: ClaimWrite) -> Result<(), PgError> {
        let chosen = self.claims.iter().filter_map(|(key, claim)| Some((key, claim.as_ref()?)));
        let mut chosen: Vec<_> = chosen
            .filter(|(_, claim)| claim.write == write)
            .map(|(key, claim)| {
                self.scope(key).map(|scope| (scope, key.key(), claim.no.0, claim.fingerprint, claim.jobs.as_deref()))
            })
            .collect::<Option<_>>()
            .ok_or(PgError::Refused("a claim in a queue without a number"))?;
        if chosen.is_empty() {
            return Ok(());
        }
        // In the order of the keys: so two nodes wait for each other one way only.
        chosen.sort_unstable();
        let (scopes, queues): (Vec<i16>, Vec<i32>) = chosen.iter().map(|claim| claim.0).unzip();
        let keys: Vec<&[u8]> = chosen.iter().map(|claim| claim.1).collect();
        let nos: Vec<i64> = chosen.iter().map(|claim| claim.2).collect();
        let fingerprints: Vec<&[u8]> = chosen.iter().map(|claim| &claim.3[..]).collect();
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&scopes, &queues, &keys, &nos, &fingerprints];
        let batches: Vec<Option<Vec<u8>>> = match chosen.iter().any(|claim| claim.4.is_some()) {
            true => chosen.iter().map(|claim| claim.4.map(packed_jobs)).collect(),
            false => Vec::new(),
        };
        let sql = match write {
            ClaimWrite::Insert if batches.is_empty() => CLAIMS,
            ClaimWrite::Insert => {
                parameters.push(&batches);
                BATCH_CLAIMS
            }
            ClaimWrite::Move | ClaimWrite::None => MOVED_CLAIMS,
        };
        let written = self.db.execute(sql, &parameters).await?;
        if written == chosen.len() as u64 { Ok(()) } else { Err(PgError::Again("a key was claimed elsewhere")) }
    }

    async fn write_results(&self, results: &[(JobNo, Content)]) -> Result<(), PgError> {
        if results.is_empty() {
            return Ok(());
        }
        let kept: Vec<Kept<'_>> = results.iter().map(|(no, result)| Kept::of(*no, result)).collect();
        let arrays = Kept::arrays(&kept);
        let owned = results.iter().filter_map(|(no, r)| Some((split(&r.payload).1?, no.0, known(&r.digest))));
        try_join!(async { self.db.execute(&RESULTS, &parameters(&arrays)).await }, self.write_blobs(owned.collect()),)?;
        Ok(())
    }

    pub(crate) async fn write_blobs(&self, blobs: Vec<(&str, i64, Option<&[u8]>)>) -> Result<u64, PgError> {
        if blobs.is_empty() {
            return Ok(0);
        }
        let (names, nos, digests): (Vec<&str>, Vec<_>, Vec<_>) = blobs.into_iter().collect();
        let written = self.db.execute(BLOBS, &[&names, &nos, &digests]).await?;
        if written == names.len() as u64 {
            return Ok(written);
        }
        // This node was silent for so long that others took what it had in hand for orphans.
        let swept = !self.db.query(SWEPT, &[&names]).await?.is_empty();
        Err(if swept { PgError::Swept } else { PgError::Refused("a payload belongs to another job") })
    }

    async fn write_reports(&self) -> Result<u64, PgError> {
        if self.reports.is_empty() {
            return Ok(0);
        }
        let nos: Vec<i64> = self.reports.keys().map(|no| no.0).collect();
        let progress: Vec<Option<&str>> = self.reports.values().map(|(progress, _)| progress.as_deref()).collect();
        let failures: Vec<Option<&str>> = self.reports.values().map(|(_, failure)| failure.as_deref()).collect();
        self.db.execute(REPORTS, &[&nos, &progress, &failures]).await
    }

    async fn write_pieces(&self) -> Result<u64, PgError> {
        let all = &self.pieces;
        if all.is_empty() {
            return Ok(0);
        }
        let nos: Vec<i64> = all.iter().map(|piece| piece.place.no.0).collect();
        let kinds: Vec<i16> = all.iter().map(|piece| piece.place.kind as i16).collect();
        let attempts: Vec<i32> = all.iter().map(|piece| rows::count(piece.place.attempt)).collect();
        let starts: Vec<i64> = all.iter().map(|piece| piece.start.cast_signed()).collect();
        let runs: Vec<i32> = all.iter().map(|piece| rows::count(piece.run)).collect();
        let bases: Vec<i64> = all.iter().map(|piece| piece.base.cast_signed()).collect();
        let types: Vec<_> = all.iter().map(|piece| text::escaped_if(piece.content_type.as_deref())).collect();
        let bytes: Vec<&[u8]> = all.iter().map(|piece| &piece.bytes[..]).collect();
        self.db.execute(PIECES, &[&nos, &kinds, &attempts, &starts, &runs, &bases, &types, &bytes]).await
    }

    async fn write_settings(&self, set: &BTreeSet<Name>) -> Result<u64, PgError> {
        if set.is_empty() {
            return Ok(0);
        }
        let settings: Vec<_> = set.iter().map(|name| self.settings(name)).collect();
        let names: Vec<&str> = set.iter().map(Name::as_str).collect();
        let paused: Vec<bool> = settings.iter().map(|settings| settings.paused).collect();
        let bounds: Vec<Option<i64>> = settings.iter().map(|s| s.max_queued.map(u64::cast_signed)).collect();
        let caps: Vec<Option<i64>> = settings.iter().map(|s| s.concurrency.map(i64::from)).collect();
        self.db.execute(SETTINGS, &[&names, &paused, &bounds, &caps]).await
    }

    /// Rows of counters, in the order of their key.
    fn counter_rows(&self, moved: HashMap<(Name, Name), Counts>) -> Result<CounterRows, PgError> {
        let mut all = Vec::new();
        for ((queue, kind), counts) in moved {
            let numbers =
                self.shared.names.queues.number(queue.as_str()).zip(self.shared.names.kinds.number(kind.as_str()));
            let (queue, kind) = numbers.ok_or(PgError::Refused("a counter without a number"))?;
            let some = counts.into_iter().enumerate().filter(|(_, n)| *n != 0);
            all.extend(some.map(|(state, n)| (queue, kind, state as i16, n)));
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Rows of this node, which nobody else writes. Where one lay is only a guess, and no row is written that is not the one.
    async fn write_counters(&self, all: &CounterRows) -> Result<(), PgError> {
        let place = |row: &CounterRow| self.state.counter_places.lock().get(&(row.0, row.1, row.2)).cloned();
        let (mut places, mut there, mut elsewhere) = (Vec::new(), CounterRows::new(), CounterRows::new());
        for row in all {
            match place(row) {
                Some(place) => {
                    places.push(place);
                    there.push(*row);
                }
                None => elsewhere.push(*row),
            }
        }
        if !there.is_empty() {
            let found = self.write_counters_by(COUNTERS_THERE, &there, Some(&places)).await?;
            elsewhere.extend(there.into_iter().filter(|row| !found.contains(&(row.0, row.1, row.2))));
        }
        if !elsewhere.is_empty() {
            elsewhere.sort_unstable();
            self.write_counters_by(COUNTERS, &elsewhere, None).await?;
        }
        Ok(())
    }

    /// Answers which were written, and remembers where.
    async fn write_counters_by(
        &self,
        sql: &'static str,
        rows: &CounterRows,
        places: Option<&Vec<String>>,
    ) -> Result<BTreeSet<(i32, i32, i16)>, PgError> {
        let queues: Vec<i32> = rows.iter().map(|row| row.0).collect();
        let kinds: Vec<i32> = rows.iter().map(|row| row.1).collect();
        let states: Vec<i16> = rows.iter().map(|row| row.2).collect();
        let counts: Vec<i64> = rows.iter().map(|row| row.3).collect();
        let node = self.state.identity.0;
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&queues, &kinds, &states, &counts];
        parameters.extend(places.as_ref().map(|places| *places as &(dyn ToSql + Sync)));
        parameters.push(&node);
        let mut written = BTreeSet::new();
        for row in self.db.query(sql, &parameters).await? {
            let key = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            self.state.counter_places.lock().insert(key, row.try_get(3)?);
            written.insert(key);
        }
        Ok(written)
    }
}

/// Numbers of a queue, a kind and a state, and what is added.
type CounterRow = (i32, i32, i16, i64);
type CounterRows = Vec<CounterRow>;

/// What [`Batch::flush`] takes away from the batch to write it.
pub(crate) struct Sums {
    counters: CounterRows,
    set: BTreeSet<Name>,
    results: Vec<(JobNo, Content)>,
}
