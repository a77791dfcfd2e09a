//! Writes new and changed jobs.

use std::sync::LazyLock;

use futures_util::try_join;
use raincheck_core::{Job, Spec};

use super::batch::Batch;
use super::overlay::Entry;
use crate::columns::{Array, Asked, Changing, Columns, Guard, Lasting, insert_arrays, parameters, split, unnest};
use crate::postgres::error::PgError;
use crate::postgres::tables::rows::Head;
use crate::rules::known;

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let names = [Head::NAMES, Lasting::NAMES, Changing::NAMES];
    insert_arrays("job", &names, &[Head::TYPES, Lasting::TYPES, Changing::TYPES])
});
static SPECS: LazyLock<String> =
    LazyLock::new(|| insert_arrays("spec", &["no", Asked::NAMES, "input"], &[&["bigint"], Asked::TYPES, &["bytea"]]));
/// What may change, guarded by the state, attempt and number of the last event that must be found.
static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let sets: Vec<String> = Changing::EACH.iter().map(|name| format!("{name} = u.{name}")).collect();
    let arrays = unnest(&[Guard::TYPES, Changing::TYPES]);
    format!(
        "UPDATE job SET {} FROM {arrays} AS u (no, old_state, old_attempt, old_seq, {}) \
         WHERE job.no = u.no AND job.state = u.old_state AND job.attempt = u.old_attempt AND job.seq = u.old_seq",
        sets.join(", "),
        Changing::NAMES
    )
});

fn dirty<'b>(batch: &'b Batch<'_>, is_new: bool) -> Vec<&'b Entry> {
    let entries = batch.jobs.values().flatten();
    let mut entries: Vec<&Entry> = entries.filter(|entry| entry.dirty && entry.row.is_none() == is_new).collect();
    entries.sort_unstable_by_key(|entry| entry.job.no);
    entries
}

pub(crate) async fn insert(batch: &Batch<'_>) -> Result<(), PgError> {
    let entries = dirty(batch, true);
    if entries.is_empty() {
        return Ok(());
    }
    let jobs = entries.iter().map(|entry| &entry.job);
    let (queues, kinds) = (&batch.shared.names.queues, &batch.shared.names.kinds);
    let head = |job: &Job| Head {
        no: job.no,
        id: job.id,
        queue: queues.number(job.queue.as_str()).unwrap_or_default(),
        kind: kinds.number(job.kind.as_str()).unwrap_or_default(),
    };
    let heads: Vec<_> = jobs.clone().map(head).collect();
    let lasting: Vec<_> = jobs.clone().map(Lasting::of).collect();
    let changing: Vec<_> = jobs.map(Changing::of).collect();
    let arrays = [Head::arrays(&heads), Lasting::arrays(&lasting), Changing::arrays(&changing)].into_iter().flatten();
    let arrays: Vec<Array<'_>> = arrays.collect();
    let written = async { batch.db.execute(&INSERT, &parameters(&arrays)).await };
    try_join!(written, insert_specs(batch, &entries))?;
    Ok(())
}

async fn insert_specs(batch: &Batch<'_>, entries: &[&Entry]) -> Result<(), PgError> {
    let specs = entries.iter().map(|entry| entry.spec.as_deref().map(|spec| (entry.job.no.0, spec)));
    let specs: Vec<(i64, &Spec)> =
        specs.collect::<Option<_>>().ok_or(PgError::Refused("a new job without what it asks for"))?;
    let nos: Vec<i64> = specs.iter().map(|(no, _)| *no).collect();
    let asked: Vec<Asked<'_>> = specs.iter().map(|(_, spec)| Asked::of(spec)).collect::<Result<_, _>>()?;
    let bytes: Vec<Option<&[u8]>> = specs.iter().map(|(_, spec)| split(&spec.input.payload).0).collect();
    let owned =
        specs.iter().filter_map(|(no, spec)| Some((split(&spec.input.payload).1?, *no, known(&spec.input.digest))));
    let mut arrays = Asked::arrays(&asked);
    arrays.insert(0, Box::new(nos));
    arrays.push(Box::new(bytes));
    let written = async { batch.db.execute(&SPECS, &parameters(&arrays)).await };
    try_join!(written, batch.write_blobs(owned.collect()))?;
    Ok(())
}

pub(crate) async fn update(batch: &Batch<'_>) -> Result<(), PgError> {
    let entries = dirty(batch, false);
    if entries.is_empty() {
        return Ok(());
    }
    let guard = |entry: &&Entry| entry.row.map(|(state, attempt, seq)| Guard { no: entry.job.no, state, attempt, seq });
    let guards: Vec<Guard> = entries.iter().filter_map(guard).collect();
    let changing: Vec<_> = entries.iter().map(|entry| Changing::of(&entry.job)).collect();
    let mut arrays = Guard::arrays(&guards);
    arrays.extend(Changing::arrays(&changing));
    let written = batch.db.execute(&UPDATE, &parameters(&arrays)).await?;
    // The rows are locked since they were read: this cannot be otherwise, and must not be written if it is.
    if written == entries.len() as u64 { Ok(()) } else { Err(PgError::Refused("a job is not as it was read")) }
}
