//! What was left over to follow: it can be carried out.

use async_trait::async_trait;
use raincheck_core::JobNo;
use raincheck_core::interpreter::FollowUp;

use super::stage::{BATCH, Look, Result, Stage};
use crate::checkup::Invariant;

/// The last one that was looked at.
#[derive(Default)]
pub(super) struct FollowUps(i64);

#[async_trait]
impl Stage for FollowUps {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let sql = "SELECT id, what, no FROM follow_up WHERE id > $1 ORDER BY id LIMIT $2";
        let page = look.rows(sql, &[&self.0, &(BATCH as i64)]).await?;
        for row in &page {
            self.0 = row.try_get(0)?;
            let (what, no): (i16, i64) = (row.try_get(1)?, row.try_get(2)?);
            if FollowUp::of_parts(what.into(), JobNo(no)).is_none() {
                look.page.found(Invariant::FollowUps, format!("job number {no}"), format!("{what} may not follow"));
            }
        }
        look.page.examined += page.len() as u64;
        Ok(page.len() == BATCH)
    }
}
