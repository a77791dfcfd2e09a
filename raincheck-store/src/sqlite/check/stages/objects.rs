//! Named objects: each can be read, and none is ahead of the feed.

use raincheck_core::{Cursor, ObjectKind};
use rusqlite::{Result, params};

use crate::checkup::Invariant;
use crate::sqlite::check::damage::is_damage;
use crate::sqlite::check::stage::{BATCH, Look, Stage};
use crate::sqlite::error::SqliteError;
use crate::sqlite::tables::meta::head;
use crate::sqlite::tables::objects;

/// Up to which kind and name they were looked at.
#[derive(Default)]
pub(crate) struct Objects {
    last: Option<(i64, String)>,
}

impl Stage for Objects {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let head = Cursor(head(look.db)?);
        let sql =
            format!("SELECT {} FROM object WHERE (kind, name)>(?1, ?2) ORDER BY kind, name LIMIT ?3", objects::COLUMNS);
        let mut statement = look.db.prepare_cached(&sql)?;
        let (kind, name) = self.last.clone().unwrap_or((i64::MIN, String::new()));
        let mut rows = statement.query(params![kind, name, BATCH as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            let key: (i64, String) = (row.get(0)?, row.get(1)?);
            if self.last.as_ref().is_some_and(|last| *last >= key) {
                return look.circle("named objects");
            }
            let damage = match objects::object(row) {
                Ok(object) => object.damage(head),
                Err(SqliteError::Database(error)) if !is_damage(&error) => return Err(error),
                Err(trouble) => Some(trouble.to_string()),
            };
            if let Some(damage) = damage {
                let what = ObjectKind::from_number(key.0).map_or("object", ObjectKind::as_str);
                look.page.found(Invariant::Objects, format!("{what} {}", key.1), damage);
            }
            self.last = Some(key);
        }
        look.page.examined += count as u64;
        Ok(count == BATCH)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Objects]
    }
}
