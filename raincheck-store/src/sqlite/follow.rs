//! What follows from the decisions of a transaction, and what earlier ones left over.

use std::sync::atomic::Ordering;

use raincheck_core::interpreter::FollowUp;
use raincheck_core::{JobNo, Purged, Reply};
use rusqlite::{Connection, Error, Result, Row, params};

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
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, read(row)?));
        let mut left: Vec<(i64, FollowUp)> =
            self.db.prepare_cached(TAKE_UP)?.query_map([most as i64], read)?.collect::<Result<_>>()?;
        left.sort_unstable();
        let count = left.len();
        self.follow_ups.take_up(left.into_iter().map(|(_, follow_up)| follow_up).collect());
        Ok(Reply::Swept(count, Purged::default()))
    }
}

fn read(row: &Row<'_>) -> Result<FollowUp> {
    let what = row.get(1)?;
    FollowUp::of_parts(what, JobNo(row.get(2)?)).ok_or(Error::IntegralValueOutOfRange(1, what))
}

/// Whether something was left over.
pub(super) fn is_left_over(db: &Connection) -> Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM follow_up)")?.query_row([], |row| row.get(0))
}
