//! What follows from the decisions of a transaction, a set at a time, and what earlier ones left over.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use raincheck_core::interpreter::{self, Facts, FollowUp};
use raincheck_core::{Command, JobNo, Purged, Reply};
use tokio_postgres::Row;

use super::batch::Batch;
use crate::postgres::error::PgError;
use crate::postgres::tables::rows;

/// Nobody is waited for: other jobs are locked by now, by their numbers, and another node may have these and want those.
static FREE: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {} FROM job j WHERE j.no = ANY($1) ORDER BY j.no FOR UPDATE SKIP LOCKED", rows::JOB)
});
const THERE: &str = "SELECT no FROM job WHERE no = ANY($1)";
const LEAVE: &str = "INSERT INTO follow_up (what, no) SELECT * FROM unnest($1::smallint[], $2::bigint[])";
const TAKE_UP: &str = "DELETE FROM follow_up WHERE id = ANY(ARRAY(SELECT id FROM follow_up ORDER BY id LIMIT $1 \
    FOR UPDATE SKIP LOCKED)) RETURNING id, what, no";

impl Batch<'_> {
    /// Carries out what follows from the commands so far. What is about a job that another node is at is left over.
    pub(crate) async fn follow(&mut self) -> Result<(), PgError> {
        while let Some(round) = self.follow_ups.next_round() {
            let round: Vec<(FollowUp, Command)> = round.into_iter().map(|it| (it, it.command())).collect();
            let busy = self.load_free(round.iter().filter_map(|(_, command)| job(command)).collect()).await?;
            for (follow_up, command) in round {
                if job(&command).is_some_and(|no| busy.contains(&no)) {
                    self.follow_ups.leave(follow_up);
                } else {
                    self.apply(command)?;
                }
            }
        }
        Ok(())
    }

    /// Loads those of these jobs that nobody else is at; answers the others.
    async fn load_free(&mut self, mut asked: BTreeSet<JobNo>) -> Result<BTreeSet<JobNo>, PgError> {
        asked.retain(|no| !self.jobs.contains_key(no));
        let numbers = |asked: &BTreeSet<JobNo>| asked.iter().map(|no| no.0).collect::<Vec<i64>>();
        if asked.is_empty() {
            return Ok(asked);
        }
        let found = self.db.query(&FREE, &[&numbers(&asked)]).await?;
        self.absorb_jobs(&found, BTreeSet::new()).await?;
        asked.retain(|no| !self.jobs.contains_key(no));
        if asked.is_empty() {
            return Ok(asked);
        }
        let there = self.db.query(THERE, &[&numbers(&asked)]).await?;
        let busy: BTreeSet<JobNo> =
            there.iter().map(|row| Ok(JobNo(row.try_get(0)?))).collect::<Result<_, PgError>>()?;
        self.jobs.extend(asked.difference(&busy).map(|no| (*no, None)));
        Ok(busy)
    }

    /// Writes down what was too much for this transaction.
    pub(crate) async fn leave_over(&mut self) -> Result<(), PgError> {
        let left = self.follow_ups.take_left();
        if left.is_empty() {
            return Ok(());
        }
        let (whats, nos): (Vec<i16>, Vec<i64>) = left
            .into_iter()
            .map(|follow_up| {
                let (what, no) = follow_up.parts();
                (i16::from(what), no.0)
            })
            .unzip();
        self.db.execute(LEAVE, &[&whats, &nos]).await?;
        (self.wrote, self.left_over) = (true, true);
        Ok(())
    }

    /// Takes up what earlier transactions left over, but for what another node is at or has taken up.
    pub(crate) async fn catch_up(&mut self, limit: usize) -> Result<Reply, PgError> {
        self.swept = true;
        let most = i64::try_from(self.follow_ups.room(limit)).unwrap_or(i64::MAX);
        let rows = self.db.query(TAKE_UP, &[&most]).await?;
        let mut left: Vec<(i64, FollowUp)> = rows.iter().map(read).collect::<Result<_, _>>()?;
        left.sort_unstable();
        self.wrote |= !left.is_empty();
        let busy = self.load_free(left.iter().filter_map(|(_, it)| job(&it.command())).collect()).await?;
        let is_busy = |it: &FollowUp| job(&it.command()).is_some_and(|no| busy.contains(&no));
        let (busy, free): (Vec<_>, Vec<_>) = left.into_iter().map(|(_, it)| it).partition(is_busy);
        busy.into_iter().for_each(|it| self.follow_ups.leave(it));
        let count = free.len();
        self.follow_ups.take_up(free);
        Ok(Reply::Swept(count, Purged::default()))
    }
}

/// The job that a command must know.
fn job(command: &Command) -> Option<JobNo> {
    interpreter::needs(command, &Facts::default()).job
}

fn read(row: &Row) -> Result<(i64, FollowUp), PgError> {
    let (what, no): (i16, i64) = (row.try_get(1)?, row.try_get(2)?);
    let follow_up = FollowUp::of_parts(what.into(), JobNo(no));
    let follow_up = follow_up.ok_or_else(|| PgError::Unreadable(format!("{what} is nothing that may follow")))?;
    Ok((row.try_get(0)?, follow_up))
}
