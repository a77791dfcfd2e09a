use std::time::{Duration, Instant};

use raincheck_core::{ClaimScope, JobNo, State};
use rusqlite::types::Value;
use rusqlite::{Connection, Result, params_from_iter};

use super::shared::Shared;
use super::{claims, rows};
use crate::StoreError;
use crate::records::{Filter, JobPage, Record};

/// Jobs looked at in one read; each slice is a transaction of its own, so that none stays open for long.
const SLICE: usize = 2_000;
/// Longest search.
const SEARCH: Duration = Duration::from_secs(2);

/// Lists jobs, newest first, slice by slice. Only predicates with an index of their own narrow the slice.
pub(super) fn jobs(shared: &Shared, filter: &Filter, limit: usize) -> std::result::Result<JobPage, StoreError> {
    let started = Instant::now();
    let mut page = JobPage::default();
    let mut before = filter.before.map_or(i64::MAX, |no| no.0);
    if let Some(key) = &filter.key {
        return by_key(shared, filter, key.as_bytes(), limit);
    }
    loop {
        let want = limit - page.items.len();
        let (mut found, end) = shared.read(|db| slice(db, shared, filter, before, want + 1))?;
        if found.len() > want {
            found.truncate(want);
            page.next = found.last().map(|record: &Record| record.job.no);
            page.items.append(&mut found);
            return Ok(page);
        }
        page.items.append(&mut found);
        let Some(end) = end else { return Ok(page) };
        before = end;
        if started.elapsed() > SEARCH {
            page.next = Some(JobNo(before));
            page.partial = true;
            return Ok(page);
        }
    }
}

/// The matches within one slice, and where the next slice starts.
fn slice(
    db: &Connection,
    shared: &Shared,
    filter: &Filter,
    before: i64,
    want: usize,
) -> Result<(Vec<Record>, Option<i64>)> {
    // Written out, not bound: a partial index is used only where the statement says its condition.
    let narrow = match filter.state {
        Some(State::Running) => "state = 3",
        Some(State::Failed | State::Canceled) => "state > 4",
        _ => "1",
    };
    let base = format!("SELECT * FROM job WHERE no < ?1 AND {narrow} ORDER BY no DESC LIMIT {SLICE}");
    let mut values = vec![Value::Integer(before)];
    let conditions = conditions(shared, filter, &mut values);
    let sql = format!(
        "SELECT {}, {}, {} FROM ({base}) j JOIN spec s ON s.no=j.no LEFT JOIN report p ON p.no=j.no \
         LEFT JOIN result r ON r.no=j.no WHERE {conditions} ORDER BY j.no DESC LIMIT {want}",
        rows::JOB,
        rows::SPEC,
        rows::REST
    );
    let found: Vec<Record> = db
        .prepare_cached(&sql)?
        .query_map(params_from_iter(&values), |row| rows::record(row, &shared.tables))?
        .collect::<Result<_>>()?;
    if found.len() == want {
        return Ok((found, None));
    }
    let (n, end): (i64, Option<i64>) = db
        .prepare_cached(&format!("SELECT count(*), min(no) FROM ({base})"))?
        .query_row([before], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((found, end.filter(|_| n == SLICE as i64)))
}

fn conditions(shared: &Shared, filter: &Filter, values: &mut Vec<Value>) -> String {
    let mut all = vec!["1".to_owned()];
    let mut add = |sql: &str, value: Value| {
        values.push(value);
        all.push(sql.replace('?', &format!("?{}", values.len())));
    };
    if let Some(state) = filter.state {
        add("j.state = ?", Value::Integer(state as i64));
    }
    if let Some(queue) = &filter.queue {
        // A name nobody used matches nothing.
        add("j.queue = ?", Value::Integer(shared.tables.queue_number(queue.as_str()).unwrap_or(-1)));
    }
    if let Some(kind) = &filter.kind {
        add("j.kind = ?", Value::Integer(shared.tables.kind_number(kind.as_str()).unwrap_or(-1)));
    }
    if let Some(at) = filter.created_after {
        add("j.created_at >= ?", Value::Integer(at.0));
    }
    for (name, value) in &filter.tags {
        let pair = serde_json::json!({ &**name: &**value }).to_string();
        // The stored text is compact JSON, so the pair stands in it as it is written here, braces apart.
        let inner = pair[1..pair.len() - 1].to_owned();
        add("(s.tags IS NOT NULL AND instr(s.tags, ?) > 0)", Value::Text(inner));
    }
    if let Some(text) = &filter.text {
        add(
            "(instr(lower(coalesce(s.label,'') || char(10) || coalesce(s.key,'') || char(10) || coalesce(s.tags,'')), lower(?)) > 0)",
            Value::Text(text.to_string()),
        );
        let bound = format!("?{}", values.len());
        let label = all.pop().unwrap_or_default();
        all.push(format!(
            "({label} OR instr(lower(CAST(s.input AS TEXT)), lower({bound})) > 0 OR instr(lower(p.failure), lower({bound})) > 0)"
        ));
    }
    all.join(" AND ")
}

fn by_key(shared: &Shared, filter: &Filter, key: &[u8], limit: usize) -> std::result::Result<JobPage, StoreError> {
    let queues: Vec<i64> = match &filter.queue {
        Some(queue) => shared.tables.queue_number(queue.as_str()).into_iter().collect(),
        None => (1..=shared.tables.queues.read().len() as i64).collect(),
    };
    shared.read(|db| {
        let mut page = JobPage::default();
        for queue in queues {
            let found = claims::find(db, claims::scope(ClaimScope::Key, queue), key)?;
            let Some((no, _)) = found.filter(|_| page.items.len() < limit) else { continue };
            let record = super::read::record(db, &shared.tables, no)?;
            page.items.extend(record.filter(|r| filter.state.is_none_or(|s| s == r.job.state)));
        }
        Ok(page)
    })
}
