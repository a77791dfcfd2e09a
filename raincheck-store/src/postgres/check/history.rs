//! Where the data has been served from, what was lost on the way, and whether a standby would have all of it.

use async_trait::async_trait;

use super::stage::{Look, Result, Stage};
use crate::checkup::Invariant;
use crate::postgres::node::life::HANGING;
use crate::postgres::read_only;

/// Missing events of a history stand in the first one that lacks them.
const ALL: &str = "SELECT first, last, coalesce(lost, last), timeline, \
    to_char(to_timestamp(first / 1000000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM history ORDER BY first";

/// The list of histories.
pub(super) struct Histories {
    /// The server that has it, `host:port`.
    pub place: String,
}

#[async_trait]
impl Stage for Histories {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let (all, place) = (look.rows(ALL, &[]).await?, &self.place);
        for row in &all {
            let (last, lost): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            if lost > last {
                let (since, events) = (row.try_get::<_, &str>(4)?, lost - last);
                let detail = format!("{events} events that were acknowledged are not there");
                look.page.found(Invariant::History, format!("since {since} UTC"), detail);
            }
        }
        let server = match all.last() {
            Some(row) if all.len() > 1 => {
                let (timeline, since): (i32, &str) = (row.try_get(3)?, row.try_get(4)?);
                format!("{place} has history {}, of timeline {timeline}, since {since} UTC", all.len())
            }
            _ => format!("{place} has the first history: the data has not moved"),
        };
        let names = read_only::setting(look.db, "synchronous_standby_names").await?;
        let waits = match read_only::setting(look.db, "synchronous_commit").await?.as_str() {
            _ if names.is_empty() => {
                "no commit waits for a standby, so one that takes over may lack the last of them".into()
            }
            _ => match look.db.query_one(HANGING, &[]).await?.try_get::<_, i64>(0)? {
                0 => format!("commits wait for a standby ({names})"),
                hanging => format!("commits wait for a standby ({names}), and none confirms them: {hanging} hang now"),
            },
        };
        look.page.notes.push((Invariant::History, format!("{server}; {waits}").into()));
        look.page.examined += all.len() as u64;
        Ok(false)
    }
}
