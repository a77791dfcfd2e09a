//! What follows from the decisions of a transaction, and what earlier ones left over.

use std::sync::atomic::Ordering;

use raincheck_core::interpreter::FollowUp;
use raincheck_core::{Purged, Reply};
use rusqlite::params;

use super::state::WriterState;
use crate::sqlite::error::{Result, SqliteError};
use crate::sqlite::tables::follow_ups::{LEAVE, TAKE_UP, read};

impl WriterState<'_> {
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
            .query_and_then([most as i64], |row| Ok::<_, SqliteError>((row.get(0)?, read(row)?)))?
            .collect::<Result<_>>()?;
        drop(take_up);
        left.sort_unstable();
        let count = left.len();
        self.follow_ups.take_up(left.into_iter().map(|(_, follow_up)| follow_up).collect());
        Ok(Reply::Swept(count, Purged::default()))
    }
}
