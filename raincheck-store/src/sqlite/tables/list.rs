use std::time::{Duration, Instant};

use raincheck_core::{JobNo, State, limits};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::rows;
use crate::StoreError;
use crate::columns::joined;
use crate::columns::number::{RUNNING, SUCCEEDED};
use crate::records::{Filter, JobPage, Record};
use crate::sqlite::error::Result;
use crate::sqlite::shared::Shared;

/// Jobs looked at in one read; each slice is a transaction of its own, so that none stays open for long.
const SLICE: usize = 2_000;
/// Longest search.
const SEARCH: Duration = Duration::from_secs(2);

/// Jobs that a key stands for, in whichever queues: see the scopes of `claim`.
const BY_KEY: &str = "no IN (SELECT no FROM claim WHERE key = ?2 AND scope = 1 AND queue IN (SELECT id FROM queue))";

/// Lists jobs, newest first, slice by slice. Only predicates with an index of their own narrow the slice.
pub(crate) fn jobs(shared: &Shared, filter: &Filter, limit: usize) -> std::result::Result<JobPage, StoreError> {
    let started = Instant::now();
    let mut page = JobPage::default();
    let (mut before, mut room) = (filter.before.map_or(i64::MAX, |no| no.0), limits::PAGE_BYTES);
    loop {
        let want = limit - page.items.len();
        let (mut found, end, is_full) = shared.read(|db| slice(db, shared, filter, before, want + 1, &mut room))?;
        if found.len() > want || is_full {
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

/// The matches within one slice, where the next slice starts, and whether there was not room for all.
fn slice(
    db: &Connection,
    shared: &Shared,
    filter: &Filter,
    before: i64,
    want: usize,
    room: &mut usize,
) -> Result<(Vec<Record>, Option<i64>, bool)> {
    let mut values = vec![Value::Integer(before)];
    // Written out, not bound: a partial index is used only where the statement says its condition.
    let narrow = match (&filter.key, &filter.states[..]) {
        (Some(key), _) => {
            values.push(Value::Blob(key.as_bytes().to_vec()));
            BY_KEY
        }
        (None, [State::Running]) => joined!(["state = ", RUNNING]),
        (None, [State::Failed | State::Canceled, rest @ ..]) if rest.iter().all(|state| *state > State::Succeeded) => {
            joined!(["state > ", SUCCEEDED])
        }
        _ => "1",
    };
    let base = format!("SELECT * FROM job WHERE no < ?1 AND {narrow} ORDER BY no DESC LIMIT {SLICE}");
    let bound = values.len();
    let conditions = conditions(shared, filter, &mut values);
    let sql = format!(
        "SELECT {}, {}, {} FROM ({base}) j JOIN spec s ON s.no=j.no LEFT JOIN report p ON p.no=j.no \
         LEFT JOIN result r ON r.no=j.no WHERE {conditions} ORDER BY j.no DESC LIMIT {want}",
        rows::JOB,
        rows::SPEC,
        rows::REST
    );
    // Both statements must see the same slice, or jobs at its seam are shown twice or not at all.
    let snapshot = db.unchecked_transaction()?;
    let mut found: Vec<Record> = Vec::new();
    {
        let mut statement = snapshot.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(&values))?;
        while let Some(row) = rows.next()? {
            if *room == 0 {
                return Ok((found, None, true));
            }
            let record = rows::record(row, &shared.names)?;
            *room = room.saturating_sub(record.weight());
            found.push(record);
        }
    }
    if found.len() == want {
        return Ok((found, None, false));
    }
    let (n, end): (i64, Option<i64>) = snapshot
        .prepare_cached(&format!("SELECT count(*), min(no) FROM ({base})"))?
        .query_row(params_from_iter(&values[..bound]), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((found, end.filter(|_| n == SLICE as i64), false))
}

fn conditions(shared: &Shared, filter: &Filter, values: &mut Vec<Value>) -> String {
    let mut all = vec!["1".to_owned()];
    let mut bind = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    if !filter.states.is_empty() {
        let states: Vec<String> = filter.states.iter().map(|state| bind(Value::Integer(*state as i64))).collect();
        all.push(format!("j.state IN ({})", states.join(", ")));
    }
    if let Some(queue) = &filter.queue {
        // A name nobody used matches nothing.
        let number = shared.names.queue_number(queue.as_str()).unwrap_or(-1);
        all.push(format!("j.queue = {}", bind(Value::Integer(number))));
    }
    if let Some(kind) = &filter.kind {
        let number = shared.names.kind_number(kind.as_str()).unwrap_or(-1);
        all.push(format!("j.kind = {}", bind(Value::Integer(number))));
    }
    if let Some(at) = filter.created_after {
        all.push(format!("j.created_at >= {}", bind(Value::Integer(at.0))));
    }
    for (name, value) in &filter.tags {
        // The pair as it is written finds candidates; hostile names and values may contain what looks like a pair.
        let pair = bind(Value::Text(json_text(name) + ":" + &json_text(value)));
        let (name, value) = (bind(Value::Text(name.to_string())), bind(Value::Text(value.to_string())));
        let exact = format!("SELECT 1 FROM json_each(s.tags) t WHERE t.key = {name} AND t.value = {value}");
        all.push(format!("instr(s.tags, {pair}) > 0 AND EXISTS ({exact})"));
    }
    if let Some(text) = &filter.text {
        let plain = bind(Value::Text(text.to_string()));
        // Tags are searched as they are written, where quotes and backslashes wear one more.
        let escaped = json_text(text);
        let escaped = bind(Value::Text(escaped[1..escaped.len() - 1].to_owned()));
        let places = [
            ("s.label", &plain),
            ("s.key", &plain),
            ("s.tags", &escaped),
            ("CAST(s.input AS TEXT)", &plain),
            ("p.failure ->> 'kind'", &plain),
            ("p.failure ->> 'title'", &plain),
            ("p.failure ->> 'detail'", &plain),
            (rows::ID_TEXT, &plain),
        ];
        let any: Vec<_> =
            places.iter().map(|(place, text)| format!("ifnull(instr(lower({place}), lower({text})), 0) > 0")).collect();
        all.push(format!("({})", any.join(" OR ")));
    }
    all.join(" AND ")
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
