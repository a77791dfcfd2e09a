//! Ready work: the partial index that leases are taken from, beside the rows themselves.

use std::sync::LazyLock;

use raincheck_core::State;
use rusqlite::{Result, params};

use crate::checkup::Invariant;
use crate::columns::number::QUEUED;
use crate::rules::forward;
use crate::sqlite::check::stage::{BATCH, Look, Stage};
use crate::sqlite::tables::rows;

static ROWS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT j.no, j.random_bits, j.client_id, EXISTS (SELECT 1 FROM job i INDEXED BY job_ready \
         WHERE i.state={QUEUED} \
         AND i.queue=j.queue AND i.kind=j.kind AND i.rank=j.rank AND i.no=j.no), j.state \
         FROM job j NOT INDEXED WHERE j.no>?1 ORDER BY j.no LIMIT ?2"
    )
});
static INDEX: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT i.queue, i.kind, i.rank, i.no, EXISTS (SELECT 1 FROM job j NOT INDEXED WHERE j.no=i.no \
         AND +j.state={QUEUED} AND +j.queue=i.queue AND +j.kind=i.kind AND +j.rank=i.rank) \
         FROM job i INDEXED BY job_ready WHERE i.state={QUEUED} AND (i.queue, i.kind, i.rank, i.no) > (?1, ?2, ?3, ?4) \
         ORDER BY i.queue, i.kind, i.rank, i.no LIMIT ?5"
    )
});

/// First the rows, then the index.
pub(crate) enum Ready {
    Rows { after: i64 },
    Index { after: (i64, i64, i64, i64) },
}

impl Default for Ready {
    fn default() -> Self {
        Ready::Rows { after: 0 }
    }
}

impl Stage for Ready {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let mut count = 0;
        match self {
            Ready::Rows { after } => {
                // The plus sign keeps the index out of it: it is what is judged.
                let mut statement = look.db.prepare_cached(&ROWS)?;
                let mut rows = statement.query(params![*after, BATCH as i64])?;
                while let Some(row) = rows.next()? {
                    count += 1;
                    if !forward(after, row.get(0)?) {
                        return look.circle("jobs");
                    }
                    if row.get::<_, i64>(4)? == State::Queued as i64 && !row.get::<_, bool>(3)? {
                        let id = rows::id(*after, row.get(1)?, row.get(2)?);
                        look.page.found(Invariant::Ready, id.to_string(), "it is queued, and nobody would find it");
                    }
                }
                if count < BATCH {
                    *self = Ready::Index { after: (i64::MIN, i64::MIN, i64::MIN, i64::MIN) };
                }
                look.page.examined += count as u64;
                Ok(true)
            }
            Ready::Index { after } => {
                let mut statement = look.db.prepare_cached(&INDEX)?;
                let mut rows = statement.query(params![after.0, after.1, after.2, after.3, BATCH as i64])?;
                while let Some(row) = rows.next()? {
                    count += 1;
                    if !forward(after, (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)) {
                        return look.circle("the index of ready work");
                    }
                    if !row.get::<_, bool>(4)? {
                        let subject = format!("job number {}", after.3);
                        look.page.found(
                            Invariant::Ready,
                            subject,
                            "the index says that it is queued, the row does not",
                        );
                    }
                }
                look.page.examined += count as u64;
                Ok(count == BATCH)
            }
        }
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Ready]
    }
}
