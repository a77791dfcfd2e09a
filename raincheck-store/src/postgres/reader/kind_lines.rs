use raincheck_core::{Name, limits::LINE_KINDS};

use super::query::rows;
use crate::postgres::connection::pool::Object;
use crate::postgres::error::PgError;
use crate::records::KindLine;

const LINES: &str = "SELECT k.name, line.n, least(first.ticket, last.ticket), greatest(first.ticket, last.ticket) \
    FROM (SELECT c.queue, c.kind, sum(c.n)::bigint AS n FROM counter c JOIN queue q ON q.id = c.queue \
        WHERE q.name=$1 AND c.state=1 GROUP BY c.queue, c.kind HAVING sum(c.n) > 0 LIMIT $2) AS line \
    JOIN kind k ON k.id = line.kind \
    CROSS JOIN LATERAL (SELECT ticket FROM job WHERE queue=line.queue AND kind=line.kind AND state=1 \
        ORDER BY rank, no LIMIT 1) AS first \
    CROSS JOIN LATERAL (SELECT ticket FROM job WHERE queue=line.queue AND kind=line.kind AND state=1 \
        ORDER BY rank DESC, no DESC LIMIT 1) AS last";

/// The ready jobs of a queue by kind: two rows of each line are looked at, however long it is.
pub(crate) async fn of(db: &Object, queue: &Name) -> Result<Vec<KindLine>, PgError> {
    let found = rows(db, LINES, &[&queue.as_str(), &(LINE_KINDS as i64)]).await?;
    let line = |row: &tokio_postgres::Row| {
        let kind = Name::new(row.try_get(0)?).map_err(|error| PgError::Unreadable(error.to_string()))?;
        let ready = row.try_get::<_, i64>(1)?.max(0).unsigned_abs();
        Ok(KindLine { kind, ready, tickets: (row.try_get(2)?, row.try_get(3)?) })
    };
    found.iter().map(line).collect()
}
