//! Lines of ready jobs, one for each kind of a queue, and who stands at their heads.

use raincheck_core::decide::ready_at;
use raincheck_core::{Name, Timestamp, limits};

use super::query::rows;
use crate::postgres::connection::pool::Object;
use crate::postgres::error::PgError;
use crate::records::earliest;

const HEADS: &str = "SELECT q.name, head.run_at, head.created_at \
    FROM (SELECT queue, kind FROM counter WHERE state=1 GROUP BY queue, kind HAVING sum(n) > 0) AS line \
    JOIN queue q ON q.id = line.queue \
    CROSS JOIN LATERAL (SELECT run_at, created_at FROM job WHERE queue=line.queue AND kind=line.kind AND state=1 \
    ORDER BY rank, no LIMIT $1) AS head";

/// Of each queue since when the one at the head of its lines has been ready that is there for the longest.
pub(crate) async fn oldest(db: &Object) -> Result<Vec<(Name, Timestamp)>, PgError> {
    let mut ready = Vec::new();
    for row in rows(db, HEADS, &[&(limits::HEAD_OF_LINE as i64)]).await? {
        let queue = Name::new(row.try_get(0)?).map_err(|error| PgError::Unreadable(error.to_string()))?;
        ready.push((queue, ready_at(Timestamp(row.try_get(1)?), Timestamp(row.try_get(2)?))));
    }
    Ok(earliest(ready))
}
