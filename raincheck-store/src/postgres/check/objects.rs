//! Named objects: each can be read, and none is ahead of the feed.

use async_trait::async_trait;
use raincheck_core::{Cursor, ObjectKind};

use super::stage::{BATCH, Look, Result, Stage};
use crate::checkup::Invariant;
use crate::postgres::tables::rows;
use crate::postgres::tables::sql::LAST_CURSOR;

const PAGE: &str = "SELECT kind, name, version, updated_at, body FROM object WHERE (kind, name) > ($1, $2) \
    ORDER BY kind, name LIMIT $3";

/// Up to which kind and name they were looked at.
#[derive(Default)]
pub(super) struct Objects {
    kind: i16,
    name: String,
}

#[async_trait]
impl Stage for Objects {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let head = look.db.query_one(&format!("SELECT {LAST_CURSOR}"), &[]).await?;
        let head = Cursor(head.try_get::<_, Option<i64>>(0)?.unwrap_or(0));
        let rows = look.rows(PAGE, &[&self.kind, &self.name, &(BATCH as i64)]).await?;
        for row in &rows {
            (self.kind, self.name) = (row.try_get(0)?, row.try_get(1)?);
            let damage = match rows::object(row) {
                Ok(object) => object.damage(head),
                Err(error) => Some(error.to_string()),
            };
            if let Some(damage) = damage {
                let what = ObjectKind::from_number(self.kind.into()).map_or("object", ObjectKind::as_str);
                look.page.found(Invariant::Objects, format!("{what} {}", self.name), damage);
            }
        }
        look.page.examined += rows.len() as u64;
        Ok(rows.len() == BATCH)
    }
}
