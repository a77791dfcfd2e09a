//! One transaction from its beginning to its end.

use std::sync::atomic::Ordering;
use std::time::Instant;

use futures_util::try_join;
use raincheck_core::{Command, LeaseJobs, Outcome, Reply, limits};

use super::batch::Batch;
use super::commit::{Done, commit};
use super::request::Request;
use crate::postgres::connection::anchor::TIMELINE;
use crate::postgres::connection::db::Parameters;
use crate::postgres::connection::timeouts::answered;
use crate::postgres::error::PgError;
use crate::postgres::history::epoch::CURRENT;
use crate::postgres::locks::BATCH_LOCK;
use crate::postgres::node::clock::{NOW, Time};
use crate::postgres::tables::sql::NAMES_ROUND;

/// Why a transaction was not committed, or may not have been.
pub(crate) enum Stop {
    /// It was not.
    Before(PgError),
    /// The connection ended when it was about to be; these are the transaction's number and answers.
    During(i64, Vec<Vec<Reply>>, PgError),
}

impl From<PgError> for Stop {
    fn from(error: PgError) -> Self {
        Stop::Before(error)
    }
}

impl Batch<'_> {
    /// One transaction, from its first statement to its commit; all of it until then.
    ///
    /// 1. *Facts*: it begins, and learns the time, its number, that this node still is who it was, and what its first
    ///    commands must know, all in one round trip.
    /// 2. *Decisions*: the commands of all callers in turns, group by group, *leases* after all else of a turn. What
    ///    the rules decide is kept in this batch, where the commands after it see it.
    /// 3. *Follow-ups* of the decisions, a set at a time; what is too much for one transaction is left over.
    /// 4. *Changes* are written, all sets at once.
    /// 5. *Commit*: the events get their place in the feed.
    /// 6. *Replies* go out, once all of it is on disk: see `Writer::carry_out`.
    pub(crate) async fn transact(&mut self, requests: &[Request], until: Instant) -> Result<Done, Stop> {
        // 1. to 4.
        let replies = answered(until, self.carry_out(requests)).await?;
        // 5.
        if !self.wrote {
            answered(until, self.db.run("COMMIT")).await?;
            return Ok(Done { replies, published: None });
        }
        match answered(until, commit(self)).await {
            Ok(published) => Ok(Done { replies, published: Some(published) }),
            Err(error) if error.is_loss() => Err(Stop::During(self.number, replies, error)),
            Err(error) => Err(Stop::Before(error)),
        }
    }

    /// All but the commit: steps 1 to 4 of [`Batch::transact`].
    async fn carry_out(&mut self, requests: &[Request]) -> Result<Vec<Vec<Reply>>, PgError> {
        let commands = in_turns(requests.iter().map(|request| &request.commands[..]));
        let all = || commands.iter().map(|(_, command)| *command);
        let one_way = |(_, a): &(usize, &Command), (_, b): &(usize, &Command)| way(a) == way(b) && way(a) != Way::Sweep;
        let groups: Vec<&[(usize, &Command)]> = commands.chunk_by(one_way).collect();

        // 1. Facts of the first group, and those that must be as old as the transaction.
        self.meet_queues(all()).await?;
        let first = groups.first().copied().unwrap_or_default();
        let mut wanted = self.wanted(first.iter().map(|(_, command)| *command).filter(|c| way(c) != Way::Lease));
        wanted.add_leases(all());
        let (number, token) = self.state.identity;
        let who: Parameters<'_> = &[&number, &token];
        let sweeps = commands.iter().any(|(_, command)| sweeps_leases(command));
        let moment = if sweeps { &MOMENT_OF_LEASES } else { &MOMENT };
        let begin = self.db.run(&self.state.begin);
        let (_, moment, answers) = try_join!(begin, self.db.query(moment, who), self.ask(&wanted))?;
        self.begin(&moment)?;
        self.absorb(wanted, answers, first.iter().map(|(_, command)| *command)).await?;

        // 2. Decisions.
        let mut replies: Vec<Vec<Reply>> = requests.iter().map(|r| Vec::with_capacity(r.commands.len())).collect();
        let count = groups.len();
        for (place, group) in (1..).zip(groups) {
            let (callers, group): (Vec<usize>, Vec<&Command>) = group.iter().copied().unzip();
            let answers = self.group(&group, place == 1, place == count).await?;
            for (caller, reply) in callers.into_iter().zip(answers) {
                replies[caller].push(reply);
            }
        }

        // 3. Follow-ups, but for those that leases had to see.
        self.follow().await?;
        self.leave_over().await?;

        // 4. Changes, but for those that a group had to find in the database.
        if self.is_pending() || self.events.len() > self.written_events {
            self.flush(true).await?;
        }
        Ok(replies)
    }

    fn begin(&mut self, moment: &[tokio_postgres::Row]) -> Result<(), PgError> {
        let row = moment.first().ok_or_else(|| PgError::Unreadable("no time".to_owned()))?;
        let now: i64 = row.try_get(0)?;
        self.number = row.try_get(1)?;
        self.history = row.try_get(6)?;
        self.shared.history.admit(self.history, row.try_get(7)?)?;
        if !row.try_get::<_, bool>(3)? {
            return Err(PgError::Fenced);
        }
        let renewed: Option<i64> = row.try_get(4)?;
        self.unheard =
            self.shared.clock.time == Time::Database && renewed.is_some_and(|at| at < now - limits::STANDSTILL_MILLIS);
        if row.try_get::<_, i64>(5)? != self.shared.names.round.load(Ordering::Acquire) {
            return Err(PgError::Renamed);
        }
        if self.shared.clock.time == Time::Database {
            (self.now, self.ticks) = (self.shared.clock.heard_time(now), now);
        } else {
            (self.now, self.ticks) = (self.shared.clock.own.now(), self.shared.clock.own.ticks());
        }
        Ok(())
    }

    /// Carries out commands that go one way. Those that look for jobs by what they are like look into the database,
    /// where everything that came before them and may matter to them is written first.
    async fn group<'c>(
        &mut self,
        group: &[&'c Command],
        is_loaded: bool,
        is_last: bool,
    ) -> Result<Vec<Reply>, PgError> {
        let way = group.first().map_or(Way::Point, |command| way(command));
        // Leases find what follow-ups have queued.
        if way == Way::Lease {
            self.follow().await?;
        }
        let matters = match way {
            Way::Point => false,
            Way::Lease => self.hides_queued(),
            Way::Purge | Way::Sweep => self.is_pending(),
        };
        if matters {
            self.flush(false).await?;
        }
        if !is_loaded && matches!(way, Way::Point | Way::Purge) {
            self.load(group.iter().copied()).await?;
        }
        match way {
            Way::Point => group.iter().map(|command| self.apply((*command).clone())).collect(),
            Way::Lease => {
                let asked = |c: &&'c Command| if let Command::Lease(asked) = *c { Some(asked) } else { None };
                let requests: Vec<&LeaseJobs> = group.iter().filter_map(asked).collect();
                self.lease_all(&requests, is_last).await
            }
            Way::Purge => self.purge_all(group).await,
            Way::Sweep => match group {
                [command @ (Command::Promote(_) | Command::Expire(_))] => Ok(vec![self.sweep(command).await?]),
                [Command::PurgeExpired(limit)] => Ok(vec![self.purge_expired(*limit).await?]),
                [Command::CatchUp(limit)] => Ok(vec![self.catch_up(*limit).await?]),
                [Command::DropTombstones(limit)] => Ok(vec![self.drop_tombstones(*limit).await?]),
                [Command::Trim(trim)] => Ok(vec![self.trim(*trim).await?]),
                _ => Err(PgError::Refused("a command went the wrong way")),
            },
        }
    }
}

static MOMENT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| moment("NULL::bigint"));
/// With when leases could last be renewed: for who ends those that seem to be over.
static MOMENT_OF_LEASES: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| moment("(SELECT at FROM life)"));

/// The time; the transaction's number; whether this node still is who it was, as seen after it got the lock that
/// whoever takes that away would need; one thing more; and which names and which history these are.
fn moment(more: &str) -> String {
    format!(
        "SELECT {NOW}, b, pg_advisory_xact_lock({BATCH_LOCK}, (b % 2147483647)::integer), \
         EXISTS (SELECT FROM node WHERE number = $1 AND token = $2), {more}, {NAMES_ROUND}, {CURRENT}, {TIMELINE} \
         FROM nextval('batch') AS b"
    )
}

/// The ways of commands, see [`Batch::group`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Point,
    Lease,
    Purge,
    Sweep,
}

fn way(command: &Command) -> Way {
    match command {
        Command::Lease(_) => Way::Lease,
        Command::Purge(_) => Way::Purge,
        Command::Promote(_)
        | Command::Expire(_)
        | Command::PurgeExpired(_)
        | Command::CatchUp(_)
        | Command::DropTombstones(_)
        | Command::Trim(_) => Way::Sweep,
        Command::Submit(_)
        | Command::SubmitBatch(_)
        | Command::Settle(_)
        | Command::Progress(..)
        | Command::Extend(..)
        | Command::Append(_)
        | Command::Cancel(_)
        | Command::RunNow(..)
        | Command::SetQueue(..)
        | Command::Put(_)
        | Command::Delete(_) => Way::Point,
    }
}

/// Whether it ends a run that seems to be over.
fn sweeps_leases(command: &Command) -> bool {
    matches!(command, Command::Settle(settle) if matches!(settle.outcome, Outcome::Lost | Outcome::TimedOut))
}

/// All commands with the numbers of their callers. Each caller's keep their order; those of all callers take turns,
/// leases after all else, so that they see everything queued in the same transaction and are served with one look.
fn in_turns<'c>(callers: impl Iterator<Item = &'c [Command]>) -> Vec<(usize, &'c Command)> {
    let mut commands = Vec::new();
    for (caller, asked) in callers.enumerate() {
        let mut turn = 0;
        for command in asked {
            let is_lease = way(command) == Way::Lease;
            turn += usize::from((turn % 2 == 1) != is_lease);
            commands.push((turn, caller, command));
        }
    }
    commands.sort_by_key(|(turn, ..)| *turn);
    commands.into_iter().map(|(_, caller, command)| (caller, command)).collect()
}

#[cfg(test)]
mod tests {
    use raincheck_core::JobNo;

    use super::*;

    #[test]
    fn leases_of_all_callers_come_together_and_each_caller_keeps_its_order() {
        let lease = || {
            Command::Lease(LeaseJobs {
                worker: "w".into(),
                queues: Vec::new(),
                kinds: Vec::new(),
                patterns: Vec::new(),
                max: 1,
                ttl: 1_000,
                request_id: None,
            })
        };
        let run_now = |no| Command::RunNow(JobNo(no), None);
        let callers = [
            vec![run_now(1), lease()],
            vec![Command::Promote(1), run_now(2)],
            vec![lease(), run_now(3), lease()],
            vec![run_now(4), lease()],
        ];
        let commands = in_turns(callers.iter().map(|commands| &commands[..]));
        let expected = [
            (0, &callers[0][0]),
            (1, &callers[1][0]),
            (1, &callers[1][1]),
            (3, &callers[3][0]),
            (0, &callers[0][1]),
            (2, &callers[2][0]),
            (3, &callers[3][1]),
            (2, &callers[2][1]),
            (2, &callers[2][2]),
        ];
        assert!(commands.iter().zip(expected).all(|(a, b)| a.0 == b.0 && std::ptr::eq(a.1, b.1)));
        assert_eq!(commands.len(), expected.len());
    }
}
