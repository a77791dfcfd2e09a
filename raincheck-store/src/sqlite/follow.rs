//! What follows from the decisions of a transaction, and what earlier ones left over.

use std::sync::atomic::Ordering;

use raincheck_core::interpreter::FollowUp;
use raincheck_core::{JobNo, Purged, Reply};
use rusqlite::{Connection, Row, params};

use super::trouble::{Result, Trouble};
use super::writer::Writer;

const LEAVE: &str = "INSERT INTO follow_up (what, no) VALUES (?1, ?2)";
const TAKE_UP: &str = "DELETE FROM follow_up WHERE id IN (SELECT id FROM follow_up ORDER BY id LIMIT ?1) \
    RETURNING id, what, no";

impl Writer<'_> {
    /// Carries out what follows from the commands so far.
    pub(super) fn follow(&mut self) -> Result<()> {
        while let Some(round) = self.follow_ups.next_round() {
            for follow_up in round {
                self.carry_out(follow_up.command())?;
            }
        }
        Ok(())
    }

    /// Writes down what was too much for this transaction.
    pub(super) fn leave_over(&mut self) -> Result<()> {
        for follow_up in self.follow_ups.take_left() {
            let (what, no) = follow_up.parts();
            self.db.prepare_cached(LEAVE)?.execute(params![what, no.0])?;
            self.shared.left_over.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Takes up what earlier transactions left over.
    pub(super) fn catch_up(&mut self, limit: usize) -> Result<Reply> {
        self.swept = true;
        let most = self.follow_ups.room(limit);
        let mut take_up = self.db.prepare_cached(TAKE_UP)?;
        let mut left: Vec<(i64, FollowUp)> = take_up
            .query_and_then([most as i64], |row| Ok::<_, Trouble>((row.get(0)?, read(row)?)))?
            .collect::<Result<_>>()?;
        drop(take_up);
        left.sort_unstable();
        let count = left.len();
        self.follow_ups.take_up(left.into_iter().map(|(_, follow_up)| follow_up).collect());
        Ok(Reply::Swept(count, Purged::default()))
    }
}

fn read(row: &Row<'_>) -> Result<FollowUp> {
    let what = row.get(1)?;
    FollowUp::of_parts(what, JobNo(row.get(2)?))
        .ok_or_else(|| Trouble::unreadable(format!("{what} is nothing that may follow")))
}

/// Whether something was left over.
pub(super) fn is_left_over(db: &Connection) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM follow_up)")?.query_row([], |row| row.get(0)).map_err(Trouble::from)
}
