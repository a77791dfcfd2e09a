use std::time::{Duration, Instant};

use raincheck_core::{JobNo, NameFilter, State};
use tokio_postgres::GenericClient;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use crate::columns::joined;
use crate::columns::number::SUCCEEDED;
use crate::postgres::connection::pool::Object;
use crate::postgres::error::PgError;
use crate::postgres::shared::Shared;
use crate::postgres::tables::names::{KnownNames, Names};
use crate::postgres::tables::rows;
use crate::postgres::tables::text;
use crate::records::{Filter, JobPage, Record, on_a_page};

/// Jobs looked at in one statement: the first look is short, those after it grow, so that a stopped one loses little.
const SLICE: i64 = 500;
const SLICE_MOST: i64 = 16_000;
/// What is read in one moment must not be exchanged meanwhile: who takes partitions away waits for this.
pub(crate) const HOLD: &str =
    "LOCK TABLE ONLY spec, ONLY result, ONLY report, ONLY chunk, ONLY event IN ACCESS SHARE MODE";
/// Longest search.
const SEARCH: Duration = Duration::from_secs(2);

/// Jobs that a key stands for, in whichever queues: see the scopes of `claim`.
const BY_KEY: &str =
    "no = ANY(ARRAY(SELECT no FROM claim WHERE key=$2 AND scope = 1 AND queue IN (SELECT id FROM queue)))";

/// An input as text in which every byte is a character: whatever it is, it can be searched. Zero bytes are written as in
/// other columns, see the table `spec`; no character can be one.
const INPUT: &str = r"CASE WHEN position(E'\\x00'::bytea IN s.input) = 0
    THEN replace(convert_from(s.input, 'LATIN1'), E'\x01', E'\x011')
    ELSE convert_from(decode(replace(replace(replace(encode(s.input, 'escape'), E'\\\\', E'\\134'),
        E'\x01', E'\x011'), E'\\000', E'\x010'), 'escape'), 'LATIN1') END";

/// Lists jobs, newest first, slice by slice, all as of one moment.
pub(crate) async fn jobs(db: &mut Object, shared: &Shared, filter: &Filter, limit: usize) -> Result<JobPage, PgError> {
    let moment = db.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let moment = moment.read_only(true).start().await?;
    moment.batch_execute(HOLD).await?;
    let names = Admitted::of(&*moment, shared, filter).await?;
    let mut page = JobPage::default();
    if names.is_none() {
        return Ok(page);
    }
    let started = Instant::now();
    let (mut before, mut size) = (filter.before.map_or(i64::MAX, |no| no.0), SLICE);
    loop {
        let left = SEARCH.saturating_sub(started.elapsed());
        let slice = async {
            moment.batch_execute(&format!("SET LOCAL statement_timeout = {}", left.as_millis().max(1))).await?;
            let slice = Slice { shared, filter, names: &names, before, size, want: limit - page.items.len() + 1 };
            slice.read(&moment).await
        };
        let stopped = || (Some(JobNo(before)), true);
        let (mut found, end) = match slice.await {
            Err(PgError::Database(error)) if error.code() == Some(&SqlState::QUERY_CANCELED) && before != i64::MAX => {
                (page.next, page.partial) = stopped();
                return Ok(page);
            }
            done => done?,
        };
        let fits = on_a_page(page.items.iter().chain(&found).map(Record::weight)).min(limit);
        if page.items.len() + found.len() > fits {
            found.truncate(fits.saturating_sub(page.items.len()));
            page.items.append(&mut found);
            page.next = page.items.last().map(|record: &Record| record.job.no);
            return Ok(page);
        }
        page.items.append(&mut found);
        let Some(end) = end else { return Ok(page) };
        before = end;
        size = (size * 2).min(SLICE_MOST);
        if started.elapsed() > SEARCH {
            (page.next, page.partial) = (Some(JobNo(before)), true);
            return Ok(page);
        }
    }
}

/// The numbers of the queues and kinds that a filter admits, where it does not admit all.
struct Admitted {
    queues: Option<Vec<i32>>,
    kinds: Option<Vec<i32>>,
}

impl Admitted {
    async fn of(db: &impl GenericClient, shared: &Shared, filter: &Filter) -> Result<Self, PgError> {
        let of = async |names: &Names, filter: &NameFilter| match filter.is_any() {
            true => Ok::<_, PgError>(None),
            false => names.admitted(db, filter, shared.history.current()).await.map(Some),
        };
        let KnownNames { queues, kinds, .. } = &shared.names;
        Ok(Admitted { queues: of(queues, &filter.queues).await?, kinds: of(kinds, &filter.kinds).await? })
    }

    /// Whether no job can have such names.
    fn is_none(&self) -> bool {
        [&self.queues, &self.kinds].into_iter().flatten().any(Vec::is_empty)
    }
}

/// One look: so many jobs below a number.
struct Slice<'a> {
    shared: &'a Shared,
    filter: &'a Filter,
    names: &'a Admitted,
    before: i64,
    size: i64,
    want: usize,
}

impl Slice<'_> {
    /// The matches within it, and where the next one starts.
    async fn read(&self, db: &deadpool_postgres::Transaction<'_>) -> Result<(Vec<Record>, Option<i64>), PgError> {
        let mut values = Values::default();
        values.bind(self.before, Type::INT8);
        let narrow = self.narrow(&mut values);
        let base = format!("SELECT * FROM job WHERE no < $1 AND {narrow} ORDER BY no DESC LIMIT {}", self.size);
        // What belongs to these jobs lies in the partitions of their numbers.
        let end = format!("SELECT count(*), min(no) FROM ({base}) j");
        let end = db.query_typed(&end, &values.all()).await?;
        let end = end.first().map(|row| Ok::<(i64, Option<i64>), PgError>((row.try_get(0)?, row.try_get(1)?)));
        let Some((n, Some(least))) = end.transpose()? else { return Ok((Vec::new(), None)) };
        let conditions = self.conditions(&mut values);
        let low = values.bind(least, Type::INT8);
        let sql = format!(
            "SELECT {}, {}, {}, {} FROM ({base}) j JOIN spec s ON s.no=j.no AND s.no >= {low} AND s.no < $1 \
             LEFT JOIN report p ON p.no=j.no AND p.no >= {low} AND p.no < $1 \
             LEFT JOIN result r ON r.no=j.no AND r.no >= {low} AND r.no < $1 \
             WHERE {conditions} ORDER BY j.no DESC LIMIT {}",
            rows::JOB,
            rows::SPEC,
            rows::REPORT,
            rows::RESULT,
            self.want
        );
        let found = db.query_typed(&sql, &values.all()).await?;
        self.shared.load_missing(&**db, &found, rows::JOB_NAMES).await?;
        let found: Vec<Record> =
            found.iter().map(|row| rows::record(row, &self.shared.names)).collect::<Result<_, _>>()?;
        let end = Some(least).filter(|_| n == self.size && found.len() < self.want);
        Ok((found, end))
    }

    /// What narrows it: only predicates with an index of their own, written out where the index is a partial one.
    fn narrow(&self, values: &mut Values) -> &'static str {
        match (&self.filter.key, &self.filter.states[..]) {
            (Some(key), _) => {
                values.bind(key.as_bytes().to_vec(), Type::BYTEA);
                BY_KEY
            }
            (None, [State::Running]) => "no IN (SELECT l.no FROM lease l WHERE l.no < $1)",
            (None, [State::Failed | State::Canceled, rest @ ..])
                if rest.iter().all(|state| *state > State::Succeeded) =>
            {
                joined!(["state > ", SUCCEEDED])
            }
            _ => "true",
        }
    }

    fn conditions(&self, values: &mut Values) -> String {
        let filter = self.filter;
        let mut all = vec!["true".to_owned()];
        if !filter.states.is_empty() {
            let states: Vec<i16> = filter.states.iter().map(|state| *state as i16).collect();
            all.push(format!("j.state = ANY({})", values.bind(states, Type::INT2_ARRAY)));
        }
        for (column, admitted) in [("j.queue", &self.names.queues), ("j.kind", &self.names.kinds)] {
            if let Some(numbers) = admitted {
                all.push(format!("{column} = ANY({})", values.bind(numbers.clone(), Type::INT4_ARRAY)));
            }
        }
        if let Some(at) = filter.created_after {
            all.push(format!("j.created_at >= {}", values.bind(at.0, Type::INT8)));
        }
        for (name, value) in &filter.tags {
            // The pair as it is written finds candidates; hostile names and values may contain what looks like a pair.
            let pair = values.text(json_text(name) + ":" + &json_text(value));
            let (name, value) = (values.text(text::escaped(name)), values.text(text::escaped(value)));
            let exact = format!("SELECT 1 FROM json_each_text({}) t", json("s.tags"));
            let exact = format!("{exact} WHERE t.key = {name} AND t.value = {value}");
            all.push(format!("strpos(s.tags, {pair}) > 0 AND EXISTS ({exact})"));
        }
        if let Some(text) = &filter.text {
            all.push(anywhere(text, values));
        }
        all.join(" AND ")
    }
}

/// That a text is in one of the places that are searched, ignoring the case of ASCII letters.
fn anywhere(text: &str, values: &mut Values) -> String {
    let text = text.to_ascii_lowercase();
    let escaped = text::escaped(&text);
    let plain = values.text(escaped.clone());
    // Tags are searched as they are written, where quotes and backslashes wear one more.
    let tags = json_text(&text);
    let tags = values.text(&tags[1..tags.len() - 1]);
    let bytes = values.text(escaped.bytes().map(char::from).collect::<String>());
    let failure = |part: &str| format!("{} ->> '{part}'", json("p.failure"));
    let places = [
        ("s.label".to_owned(), &plain),
        ("s.key".to_owned(), &plain),
        ("s.tags".to_owned(), &tags),
        (INPUT.to_owned(), &bytes),
        (failure("kind"), &plain),
        (failure("title"), &plain),
        (failure("detail"), &plain),
        ("j.id::text".to_owned(), &plain),
    ];
    let any = places.map(|(place, text)| format!("strpos(lower(({place}) COLLATE \"C\"), {text}) > 0"));
    format!("({})", any.join(" OR "))
}

/// A column of JSON that may hold `\u0000`, which no text here can be: written as in other columns instead. Escaped
/// backslashes go first, so that what stands behind one is not taken for an escape.
fn json(column: &str) -> String {
    format!(
        r"replace(replace(replace({column}, E'\\\\', E'\\u005c'), E'\\u0001', E'\\u00011'), E'\\u0000', E'\\u00010')::json"
    )
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What a statement is given, with types: it is not prepared, for there are too many of its kind.
#[derive(Default)]
struct Values(Vec<(Box<dyn ToSql + Send + Sync>, Type)>);

impl Values {
    fn bind(&mut self, value: impl ToSql + Send + Sync + 'static, kind: Type) -> String {
        self.0.push((Box::new(value), kind));
        format!("${}", self.0.len())
    }

    fn text(&mut self, text: impl Into<String>) -> String {
        self.bind(text.into(), Type::TEXT)
    }

    fn all(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.0.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
    }
}
