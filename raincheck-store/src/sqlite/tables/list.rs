use std::time::{Duration, Instant};

use raincheck_core::{JobNo, NameFilter, State, limits};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::names::{KnownNames, Names};
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
    let mut names = None;
    loop {
        let want = limit - page.items.len();
        let (mut found, end, is_full) =
            shared.read(|db| slice(db, shared, filter, &mut names, before, want + 1, &mut room))?;
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
    names: &mut Option<Admitted>,
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
    // Both statements must see the same slice, or jobs at its seam are shown twice or not at all.
    let snapshot = db.unchecked_transaction()?;
    let names = match names {
        Some(names) => names,
        None => names.insert(Admitted::of(&snapshot, shared, filter)?),
    };
    if names.is_none() {
        return Ok((Vec::new(), None, false));
    }
    let conditions = conditions(filter, names, &mut values);
    let sql = format!(
        "SELECT {}, {}, {} FROM ({base}) j JOIN spec s ON s.no=j.no LEFT JOIN report p ON p.no=j.no \
         LEFT JOIN result r ON r.no=j.no WHERE {conditions} ORDER BY j.no DESC LIMIT {want}",
        rows::JOB,
        rows::SPEC,
        rows::REST
    );
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

/// The numbers of the queues and kinds that a filter admits, where it does not admit all.
struct Admitted {
    queues: Option<Vec<i64>>,
    kinds: Option<Vec<i64>>,
}

impl Admitted {
    /// As of what `db` sees from now on: names are known before the jobs that have them are written.
    fn of(db: &Connection, shared: &Shared, filter: &Filter) -> Result<Self> {
        if !(filter.queues.is_any() && filter.kinds.is_any()) {
            db.prepare_cached("SELECT 1 FROM job LIMIT 1")?.exists([])?;
        }
        let of = |names, filter: &NameFilter| (!filter.is_any()).then(|| Names::admitted(names, filter));
        let KnownNames { queues, kinds } = &shared.names;
        Ok(Admitted { queues: of(queues, &filter.queues), kinds: of(kinds, &filter.kinds) })
    }

    /// Whether no job can have such names.
    fn is_none(&self) -> bool {
        [&self.queues, &self.kinds].into_iter().flatten().any(Vec::is_empty)
    }
}

fn conditions(filter: &Filter, names: &Admitted, values: &mut Vec<Value>) -> String {
    let mut all = vec!["1".to_owned()];
    let mut bind = |value: Value| {
        values.push(value);
        format!("?{}", values.len())
    };
    if !filter.states.is_empty() {
        let states: Vec<String> = filter.states.iter().map(|state| bind(Value::Integer(*state as i64))).collect();
        all.push(format!("j.state IN ({})", states.join(", ")));
    }
    for (column, admitted) in [("j.queue", &names.queues), ("j.kind", &names.kinds)] {
        match admitted.as_deref() {
            None => {}
            Some([number]) => all.push(format!("{column} = {}", bind(Value::Integer(*number)))),
            Some(numbers) => {
                let list = bind(Value::Text(serde_json::Value::from(numbers).to_string()));
                all.push(format!("{column} IN (SELECT value FROM json_each({list}))"));
            }
        }
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
