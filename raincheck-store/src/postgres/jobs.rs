//! Writes new and changed jobs.

use futures_util::try_join;
use raincheck_core::{Job, Spec};

use super::batch::{Batch, Entry};
use super::flush::columns;
use super::rows;
use super::shared::Trouble;
use crate::codec;
use crate::rules::known;

const INSERT: &str = "INSERT INTO job SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::integer[], $4::integer[], \
    $5::smallint[], $6::smallint[], $7::integer[], $8::integer[], $9::integer[], $10::integer[], $11::integer[], \
    $12::integer[], $13::integer[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], \
    $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[], $24::bigint[], $25::bigint[], \
    $26::bigint[])";
const SPECS: &str = "INSERT INTO spec SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], \
    $6::text[], $7::bigint[], $8::text[], $9::bigint[], $10::double precision[], $11::bigint[], $12::boolean[], \
    $13::uuid[], $14::text[], $15::bytea[])";
/// What may change, guarded by the state, attempt and number of the last event that must be found.
const UPDATE: &str = "UPDATE job SET state = u.state, flags = u.flags, attempt = u.attempt, failures = u.failures, \
    losses = u.losses, seq = u.seq, shared = u.shared, rank = u.rank, run_at = u.run_at, ttl = u.ttl, \
    started_at = u.started_at, updated_at = u.updated_at, finished_at = u.finished_at, expires_at = u.expires_at \
    FROM unnest($1::bigint[], $2::smallint[], $3::integer[], $4::integer[], $5::smallint[], $6::smallint[], \
    $7::integer[], $8::integer[], $9::integer[], $10::integer[], $11::integer[], $12::bigint[], $13::bigint[], \
    $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[]) AS u (no, old_state, old_attempt, \
    old_seq, state, flags, attempt, failures, losses, seq, shared, rank, run_at, ttl, started_at, updated_at, \
    finished_at, expires_at) \
    WHERE job.no = u.no AND job.state = u.old_state AND job.attempt = u.old_attempt AND job.seq = u.old_seq";

/// One column of all jobs.
fn of<'j, T>(jobs: &[&'j Job], value: impl Fn(&'j Job) -> T) -> Vec<T> {
    jobs.iter().map(|job| value(job)).collect()
}

fn dirty<'b>(batch: &'b Batch<'_>, is_new: bool) -> Vec<&'b Entry> {
    let entries = batch.jobs.values().flatten();
    let mut entries: Vec<&Entry> = entries.filter(|entry| entry.dirty && entry.row.is_none() == is_new).collect();
    entries.sort_unstable_by_key(|entry| entry.job.no);
    entries
}

pub(super) async fn insert(batch: &Batch<'_>) -> Result<(), Trouble> {
    let entries = dirty(batch, true);
    if entries.is_empty() {
        return Ok(());
    }
    let jobs: Vec<&Job> = entries.iter().map(|entry| &entry.job).collect();
    let number = |name, names: &super::names::Names| names.number(name).unwrap_or_default();
    let written = async {
        batch
            .db
            .execute(
                INSERT,
                &[
                    &of(&jobs, |j| j.no.0),
                    &of(&jobs, |j| j.id.0),
                    &of(&jobs, |j| number(j.queue.as_str(), &batch.shared.queues)),
                    &of(&jobs, |j| number(j.kind.as_str(), &batch.shared.kinds)),
                    &of(&jobs, |j| j.state as i16),
                    &of(&jobs, rows::flags),
                    &of(&jobs, |j| j.priority),
                    &of(&jobs, |j| rows::count(j.attempt)),
                    &of(&jobs, |j| rows::count(j.failures)),
                    &of(&jobs, |j| rows::count(j.losses)),
                    &of(&jobs, |j| rows::count(j.max_attempts)),
                    &of(&jobs, |j| rows::count(j.seq)),
                    &of(&jobs, |j| rows::count(j.shared)),
                    &of(&jobs, |j| j.rank),
                    &of(&jobs, |j| j.ticket),
                    &of(&jobs, |j| j.run_at.0),
                    &of(&jobs, |j| j.start_by.map(|t| t.0)),
                    &of(&jobs, |j| j.timeout),
                    &of(&jobs, |j| j.ttl),
                    &of(&jobs, |j| j.retention.succeeded),
                    &of(&jobs, |j| j.retention.failed),
                    &of(&jobs, |j| j.created_at.0),
                    &of(&jobs, |j| j.started_at.map(|t| t.0)),
                    &of(&jobs, |j| j.updated_at.0),
                    &of(&jobs, |j| j.finished_at.map(|t| t.0)),
                    &of(&jobs, |j| j.expires_at.map(|t| t.0)),
                ],
            )
            .await
    };
    try_join!(written, insert_specs(batch, &entries))?;
    Ok(())
}

async fn insert_specs(batch: &Batch<'_>, entries: &[&Entry]) -> Result<(), Trouble> {
    let specs = entries.iter().map(|entry| entry.spec.as_deref().map(|spec| (entry.job.no.0, spec)));
    let specs: Vec<(i64, &Spec)> =
        specs.collect::<Option<_>>().ok_or(Trouble::Refused("a new job without what it asks for"))?;
    let text = |of: fn(&Spec) -> Option<&str>| specs.iter().map(|(_, s)| rows::escaped_if(of(s))).collect::<Vec<_>>();
    let tags: Vec<Option<String>> =
        specs.iter().map(|(_, spec)| codec::tags_text(&spec.tags)).collect::<Result<_, _>>()?;
    let payloads: Vec<_> = specs.iter().map(|(_, spec)| columns(&spec.input.payload)).collect();
    let blobs: Vec<Option<&str>> = payloads.iter().map(|(_, blob)| *blob).collect();
    let bytes: Vec<Option<&[u8]>> = payloads.iter().map(|(bytes, _)| *bytes).collect();
    let owned = specs.iter().zip(&blobs);
    let owned = owned.filter_map(|((no, spec), blob)| blob.map(|blob| (blob, *no, known(&spec.input.digest))));
    let written = async {
        batch
            .db
            .execute(
                SPECS,
                &[
                    &specs.iter().map(|(no, _)| *no).collect::<Vec<_>>(),
                    &text(|s| s.label.as_deref()),
                    &text(|s| s.key.as_deref()),
                    &tags,
                    &text(|s| s.input.content_type.as_deref()),
                    &text(|s| s.input.filename.as_deref()),
                    &specs.iter().map(|(_, s)| s.input.payload.size().cast_signed()).collect::<Vec<_>>(),
                    &blobs,
                    &specs.iter().map(|(_, s)| s.retry.initial).collect::<Vec<_>>(),
                    &specs.iter().map(|(_, s)| s.retry.factor).collect::<Vec<_>>(),
                    &specs.iter().map(|(_, s)| s.retry.max).collect::<Vec<_>>(),
                    &specs.iter().map(|(_, s)| s.retry.jitter).collect::<Vec<_>>(),
                    &specs.iter().map(|(_, s)| s.rerun_of.map(|id| id.0)).collect::<Vec<_>>(),
                    &text(|s| s.traceparent.as_deref()),
                    &bytes,
                ],
            )
            .await
    };
    try_join!(written, batch.write_blobs(owned.collect()))?;
    Ok(())
}

pub(super) async fn update(batch: &Batch<'_>) -> Result<(), Trouble> {
    let entries = dirty(batch, false);
    if entries.is_empty() {
        return Ok(());
    }
    let jobs: Vec<&Job> = entries.iter().map(|entry| &entry.job).collect();
    let guards: Vec<_> = entries.iter().filter_map(|entry| entry.row).collect();
    let written = async {
        batch
            .db
            .execute(
                UPDATE,
                &[
                    &of(&jobs, |j| j.no.0),
                    &guards.iter().map(|guard| guard.0 as i16).collect::<Vec<_>>(),
                    &guards.iter().map(|guard| rows::count(guard.1)).collect::<Vec<_>>(),
                    &guards.iter().map(|guard| rows::count(guard.2)).collect::<Vec<_>>(),
                    &of(&jobs, |j| j.state as i16),
                    &of(&jobs, rows::flags),
                    &of(&jobs, |j| rows::count(j.attempt)),
                    &of(&jobs, |j| rows::count(j.failures)),
                    &of(&jobs, |j| rows::count(j.losses)),
                    &of(&jobs, |j| rows::count(j.seq)),
                    &of(&jobs, |j| rows::count(j.shared)),
                    &of(&jobs, |j| j.rank),
                    &of(&jobs, |j| j.run_at.0),
                    &of(&jobs, |j| j.ttl),
                    &of(&jobs, |j| j.started_at.map(|t| t.0)),
                    &of(&jobs, |j| j.updated_at.0),
                    &of(&jobs, |j| j.finished_at.map(|t| t.0)),
                    &of(&jobs, |j| j.expires_at.map(|t| t.0)),
                ],
            )
            .await
    };
    // The rows are locked since they were read: this cannot be otherwise, and must not be written if it is.
    if written.await? == jobs.len() as u64 { Ok(()) } else { Err(Trouble::Refused("a job is not as it was read")) }
}
