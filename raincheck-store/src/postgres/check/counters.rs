//! Kept counters beside a recount, both of one moment.

use std::sync::LazyLock;
use std::time::Instant;

use async_trait::async_trait;
use raincheck_core::State;
use raincheck_core::limits::EVENT_BYTES;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::stage::{Look, Result, Stage};
use crate::checkup::Invariant;
use crate::postgres::tables::counters::{SERVED, TICKETS};
use crate::postgres::tables::sql::{FORGOTTEN_BYTES, TRIMMED};

/// Where they differ. Counters of tickets are told apart by queue alone: given out less served is what never started.
const DIFFERENCES: &str = "WITH jobs AS (SELECT queue, kind, state, count(*) AS n, \
        count(*) FILTER (WHERE state < $1 AND attempt = 0) AS fresh FROM job GROUP BY queue, kind, state), \
    kept AS (SELECT queue, kind, state, sum(n) AS n FROM counter WHERE state < $2 GROUP BY queue, kind, state), \
    tickets AS (SELECT queue, sum(CASE WHEN state = $2 THEN n ELSE -n END) AS n FROM counter WHERE state IN ($2, $3) \
        GROUP BY queue), \
    fresh AS (SELECT queue, sum(fresh) AS n FROM jobs GROUP BY queue) \
    SELECT queue, kind, state, coalesce(kept.n, 0)::bigint, coalesce(jobs.n, 0)::bigint \
        FROM kept FULL JOIN jobs USING (queue, kind, state) WHERE coalesce(kept.n, 0) <> coalesce(jobs.n, 0) \
    UNION ALL SELECT queue, NULL, NULL, coalesce(tickets.n, 0)::bigint, coalesce(fresh.n, 0)::bigint \
        FROM tickets FULL JOIN fresh USING (queue) WHERE coalesce(tickets.n, 0) <> coalesce(fresh.n, 0)";
const COUNTED: &str = "SELECT count(*) FROM counter";
const NAMES: &str = "SELECT (SELECT name FROM queue WHERE id=$1), (SELECT name FROM kind WHERE id=$2)";

/// What the events of forgotten jobs take, beside what is kept, where they differ.
static FORGOTTEN: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT {FORGOTTEN_BYTES}, counted.bytes FROM (SELECT coalesce(sum($1::bigint + coalesce(octet_length(e.data), 0)), 0)::bigint \
         AS bytes FROM feed f JOIN event e ON e.batch = f.batch WHERE f.last > {TRIMMED} AND f.first + e.idx > {TRIMMED} \
         AND NOT EXISTS (SELECT FROM job j WHERE j.no = e.no)) AS counted WHERE counted.bytes <> {FORGOTTEN_BYTES}"
    )
});

/// One statement that sees one moment: beside a server it is given up when it takes too long.
pub(super) struct Counters;

/// The same, of the feed.
pub(super) struct Forgotten;

impl Look<'_> {
    /// The rows of a statement that counts; `None` when it was given up.
    async fn count(&mut self, sql: &str, with: &[&(dyn ToSql + Sync)]) -> Result<Option<Vec<Row>>> {
        self.db.batch_execute(&format!("SET LOCAL statement_timeout = {}", self.throttle.whole.as_millis())).await?;
        match self.rows(sql, with).await {
            Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                let why = "counting takes longer than a server should be kept busy with it; `raincheck doctor` counts";
                self.page.unjudged.push((Invariant::Counters, why.into()));
                // What was given up has ended the transaction, and with it the piece.
                self.until = Instant::now();
                Ok(None)
            }
            rows => rows.map(Some),
        }
    }
}

#[async_trait]
impl Stage for Forgotten {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        for row in look.count(&FORGOTTEN, &[&(EVENT_BYTES as i64)]).await?.unwrap_or_default() {
            let (kept, counted): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let detail = format!("events of forgotten jobs: kept {kept} bytes, counted {counted}");
            look.page.found(Invariant::Counters, "the feed", detail);
        }
        Ok(false)
    }
}

#[async_trait]
impl Stage for Counters {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let counted: i64 = look.db.query_one(COUNTED, &[]).await?.try_get(0)?;
        look.page.examined += counted.unsigned_abs();
        let (running, tickets, served) = (State::Running as i16, TICKETS as i16, SERVED as i16);
        for row in look.count(DIFFERENCES, &[&running, &tickets, &served]).await?.unwrap_or_default() {
            let (queue, kind): (i32, Option<i32>) = (row.try_get(0)?, row.try_get(1)?);
            let (kept, counted): (i64, i64) = (row.try_get(3)?, row.try_get(4)?);
            let names = look.db.query_one(NAMES, &[&queue, &kind]).await?;
            let name = |column: usize, number: i32| {
                let known: Option<String> = names.try_get(column)?;
                Ok::<_, tokio_postgres::Error>(known.unwrap_or_else(|| format!("number {number}")))
            };
            let queue = name(0, queue)?;
            let (subject, what) = match kind {
                Some(kind) => {
                    let state = row.try_get::<_, Option<i16>>(2)?.and_then(|state| State::from_number(state.into()));
                    let kind = name(1, kind)?;
                    (format!("kind {kind} of queue {queue}"), state.map_or("in no known state", State::as_str))
                }
                None => (format!("queue {queue}"), "never started"),
            };
            look.page.found(Invariant::Counters, subject, format!("{what}: kept {kept}, counted {counted}"));
        }
        Ok(false)
    }
}
