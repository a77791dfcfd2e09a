//! What was left over to follow: it can be carried out.

use raincheck_core::JobNo;
use raincheck_core::interpreter::FollowUp;
use rusqlite::{Result, params};

use crate::checkup::Invariant;
use crate::rules::forward;
use crate::sqlite::check::stage::{BATCH, Look, Stage};

/// The last one that was looked at.
#[derive(Default)]
pub(crate) struct FollowUps(i64);

impl Stage for FollowUps {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let mut statement =
            look.db.prepare_cached("SELECT id, what, no FROM follow_up WHERE id>?1 ORDER BY id LIMIT ?2")?;
        let mut rows = statement.query(params![self.0, BATCH as i64])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            if !forward(&mut self.0, row.get(0)?) {
                return look.circle("what is left over");
            }
            let (what, no) = (row.get(1)?, row.get(2)?);
            if FollowUp::of_parts(what, JobNo(no)).is_none() {
                look.page.found(Invariant::FollowUps, format!("job number {no}"), format!("{what} may not follow"));
            }
        }
        look.page.examined += count as u64;
        Ok(count == BATCH)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::FollowUps]
    }
}
