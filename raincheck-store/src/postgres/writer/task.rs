use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use raincheck_core::Reply;
use tokio::sync::mpsc;

use super::batch::Batch;
use super::commit::{CommitEffects, Done};
use super::request::{Answer, Request};
use super::state::WriterState;
use super::sweep;
use super::transaction::Stop;
use super::unused_names;
use crate::StoreError;
use crate::postgres::connection::connector::Connector;
use crate::postgres::connection::db::Db;
use crate::postgres::connection::timeouts::{LEAST, PATIENCE, PAUSE, answered, within};
use crate::postgres::error::PgError;
use crate::postgres::shared::Shared;
use crate::postgres::tables::counters::Counters;

/// Most commands in one transaction: enough to share a round trip and an fsync among all who wait.
const COMMANDS: usize = 512;
/// How often a transaction is begun anew because another node was quicker.
const RACES: u32 = 20;
/// How long callers are kept waiting for a look at what other nodes did.
const POLL_TIMEOUT: Duration = Duration::from_secs(2);
/// Statistics of other nodes are at most about this old while something goes on.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// The one task of a node that writes. It drains its channel into one transaction, so that everyone who waits shares
/// one commit; nobody waits for a batch to fill.
pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    /// Makes its connection anew.
    pub connector: Connector,
    /// Its connection; `None` while there is none.
    pub db: Option<Db>,
    pub state: WriterState,
    /// When it last looked at what other nodes did.
    pub polled_at: Instant,
    /// Since when its connection is lost.
    pub lost_since: Option<Instant>,
    /// A transaction whose connection was lost, and which may be under way still: nothing is written before it has
    /// ended.
    pub open: Option<i64>,
    /// Whether that one was committed, since that is known.
    pub committed: Option<bool>,
}

impl Writer {
    /// Serves until the channel closes.
    pub async fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        loop {
            let first = tokio::select! {
                biased;
                first = requests.recv() => first,
                () = self.shared.stale.since(self.polled_at + POLL_INTERVAL) => {
                    self.poll_other_nodes().await;
                    continue;
                }
            };
            let Some(first) = first else { break };
            if self.polled_at.elapsed() >= POLL_INTERVAL
                && self.shared.stale.is_set()
                && self.shared.reach.reached().is_ok()
            {
                self.poll_other_nodes().await;
            }
            let mut size = first.commands.len();
            let mut batch = vec![first];
            while size < COMMANDS
                && let Ok(next) = requests.try_recv()
            {
                size += next.commands.len();
                batch.push(next);
            }
            let begin = Instant::now();
            let answer = self.carry_out(&batch).await;
            self.shared.commit_clock.record(begin.elapsed());
            match answer {
                Ok(replies) => batch.into_iter().zip(replies).for_each(|(request, replies)| give(request, Ok(replies))),
                Err(error) => batch.into_iter().for_each(|request| give(request, Err(error.clone()))),
            }
        }
    }

    /// One transaction, begun anew while that is allowed: when it was certainly not committed, and nothing is wrong
    /// but the moment.
    ///
    /// 1. A connection, a new one where it was lost: what was under way on the old one has ended by then.
    /// 2. The transaction itself, in a batch: facts, decisions, changes, follow-ups, leases, commit; see
    ///    [`Batch::transact`].
    /// 3. It is on disk: its effects are made known, and the replies are those of the callers.
    /// 4. No answer came to the commit: the database is asked what became of it.
    /// 5. It was not committed: what it had made known is taken back, what stood in its way is mended, and it begins
    ///    anew.
    async fn carry_out(&mut self, batch: &[Request]) -> Result<Vec<Vec<Reply>>, StoreError> {
        let mut races = 0;
        let until = self.until(batch)?;
        let losses = self.shared.history.changes();
        loop {
            // 1.
            let db = match self.connected(until).await {
                Ok(db) => db,
                Err(_) if Instant::now() + PAUSE < until => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if self.shared.history.changes() != losses {
                // What is asked for here may mean jobs and runs that are not there any more, or others now.
                self.db = Some(db);
                return Err(PgError::OtherHistory.into());
            }
            // 2.
            self.state.go_by(self.shared.identity(), self.shared.history.current());
            let mut made = Batch::new(&db, &self.shared, &mut self.state);
            let outcome = made.transact(batch, until).await;
            let number = Some(made.number).filter(|number| *number > 0);
            let effects = CommitEffects::of(made);
            let error = match outcome {
                // 3.
                Ok(done) => return Ok(self.publish(db, effects, done).await),
                // 4.
                Err(Stop::During(number, replies, error)) => {
                    // Not withdrawn: a commit that waits for a standby would count as done without it.
                    drop(db);
                    match self.unanswered(number, effects, replies, &error, until).await? {
                        Some(replies) => return Ok(replies),
                        None if Instant::now() < until => continue,
                        None => return Err(error.into()),
                    }
                }
                Err(Stop::Before(error)) => error,
            };
            // 5.
            effects.take_back(&self.shared);
            self.state.scan_starts.forget();
            if error.is_loss() || db.is_closed() {
                self.give_up(db, number, &error);
                if Instant::now() + PAUSE < until {
                    continue;
                }
                return Err(error.into());
            }
            races += 1;
            if !self.mend(db, &error).await || races > RACES {
                return Err(self.refuse(error));
            }
            tracing::debug!(trouble = %error, races, "a transaction is begun anew");
        }
    }

    /// Makes known what is on disk; answers the replies.
    async fn publish(&mut self, db: Db, effects: CommitEffects, done: Done) -> Vec<Vec<Reply>> {
        let swept = effects.swept;
        let replies = effects.publish(&self.shared, done);
        self.shared.reach.found();
        if swept {
            self.look_ahead(&db).await;
        }
        self.db = Some(db);
        replies
    }

    /// Asks what became of a commit to which no answer came; answers its replies, or `None` when it was not done.
    async fn unanswered(
        &mut self,
        number: i64,
        effects: CommitEffects,
        replies: Vec<Vec<Reply>>,
        error: &PgError,
        until: Instant,
    ) -> Result<Option<Vec<Vec<Reply>>>, StoreError> {
        tracing::warn!(trouble = %error, "no answer came to a commit; asking what became of it");
        self.lose(error);
        self.open = Some(number);
        match self.what_became_of(until.max(Instant::now() + LEAST)).await {
            Some(true) => {
                let replies = effects.publish(&self.shared, Done { replies, published: None });
                self.shared.feed.behind.notify_one();
                Ok(Some(replies))
            }
            Some(false) => {
                effects.take_back(&self.shared);
                Ok(None)
            }
            None => {
                effects.leave_open(&self.shared);
                Err(StoreError::Unknown(error.to_string()))
            }
        }
    }

    /// Rolls back, and mends what stood in the way; answers whether it is worth beginning anew.
    async fn mend(&mut self, mut db: Db, error: &PgError) -> bool {
        let mut again = error.is_race();
        if error.is_locked_out() {
            self.shared.lose(error);
        }
        if within(LEAST, db.run("ROLLBACK")).await.is_ok() {
            if error.is_uncovered() {
                again = self.cover(&mut db, error).await;
            } else if matches!(error, PgError::Renamed | PgError::Crowded) {
                again = self.rename(&db, error).await;
            }
            if matches!(error, PgError::Fenced) {
                again = self.be_another(&db).await;
            }
            self.db = Some(db);
        }
        again
    }

    /// Until when a transaction must be through: its first caller has waited for so long.
    fn until(&self, batch: &[Request]) -> Result<Instant, StoreError> {
        let now = Instant::now();
        let until = batch.first().map_or(now, |first| first.since) + self.shared.reach.patience();
        match self.shared.reach.reached() {
            // What came while the database was silent has waited for long enough.
            Err(lost) if until <= now => Err(lost),
            Err(_) => Ok(until),
            // It is slow, or has much to do.
            Ok(()) => Ok(until.max(now + LEAST)),
        }
    }

    /// Takes another number; answers whether there is one now.
    async fn be_another(&self, db: &Db) -> bool {
        let (_, lost) = self.state.identity;
        let taken = within(PATIENCE, self.shared.be_another(db.client(), lost)).await;
        taken.inspect_err(|why| tracing::warn!(%why, "this node finds no number to go on under")).is_ok()
    }

    /// Makes the partition that was missing; answers whether there is one now.
    async fn cover(&self, db: &mut Db, error: &PgError) -> bool {
        let partitions = &self.shared.partitions;
        let covered = within(PATIENCE, async {
            match error {
                PgError::Uncovered(no) => partitions.make(db.client_mut(), *no).await.map(drop),
                _ => partitions.load(db.client()).await,
            }
        });
        covered.await.inspect_err(|why| tracing::warn!(%why, "a partition cannot be made")).is_ok()
    }

    /// Makes room for names, if that is what is wanted, and reads them again; answers whether they are known now.
    async fn rename(&mut self, db: &Db, error: &PgError) -> bool {
        let renamed = async {
            if matches!(error, PgError::Crowded) && !unused_names::unused(db).await? {
                self.state.found_no_name = Some(self.shared.clock.own.ticks());
            }
            self.shared.reread_names(db.client()).await?;
            let counters = Counters::load(db.client(), &self.shared.names, self.shared.history.current()).await?;
            let mut present = self.shared.counters.write();
            let maybe_ready = std::mem::take(&mut present.maybe_ready);
            *present = Counters { maybe_ready, ..counters };
            Ok::<_, PgError>(())
        };
        renamed.await.inspect_err(|why| tracing::warn!(%why, "names cannot be read again")).is_ok()
    }

    fn refuse(&self, error: PgError) -> StoreError {
        if error.is_refusal() {
            self.shared.refused_writes.fetch_add(1, Ordering::Relaxed);
            tracing::error!(trouble = %error, "a transaction was refused: it would have broken a promise; please report this");
        } else {
            tracing::error!(trouble = %error, "a transaction was rolled back");
        }
        error.into()
    }

    /// Reads what other nodes changed of statistics, settings and due times. Nothing of this node's own is under way
    /// meanwhile, so that what is read is all there is. Where the database was lost, this finds it again.
    async fn poll_other_nodes(&mut self) {
        self.polled_at = Instant::now();
        self.shared.stale.clear();
        let until = Instant::now() + POLL_TIMEOUT;
        let Ok(db) = self.connected(until).await else { return };
        let hints = std::mem::take(&mut self.shared.counters.write().maybe_ready);
        let looked = async {
            let counters = Counters::load(db.client(), &self.shared.names, self.shared.history.current()).await?;
            sweep::look_ahead(&db, &self.shared, &self.state.scan_starts).await?;
            Ok(counters)
        };
        match answered(until, looked).await {
            Ok(counters) => {
                let mut present = self.shared.counters.write();
                let since = std::mem::take(&mut present.maybe_ready);
                *present = Counters { maybe_ready: since, ..counters };
                drop(present);
                self.shared.reach.found();
                self.db = Some(db);
            }
            Err(error) => {
                self.shared.counters.write().maybe_ready.extend(hints);
                tracing::warn!(trouble = %error, "what other nodes changed cannot be read");
                if error.is_loss() {
                    self.give_up(db, None, &error);
                } else {
                    self.db = Some(db);
                }
            }
        }
    }

    async fn look_ahead(&self, db: &Db) {
        let looked = within(POLL_TIMEOUT, sweep::look_ahead(db, &self.shared, &self.state.scan_starts)).await;
        if let Err(error) = looked {
            // The old times stay: too early, which is harmless.
            tracing::warn!(trouble = %error, "the next due time cannot be read");
        }
    }
}

fn give(request: Request, answer: Answer) {
    // A caller that went away meanwhile loses its answer, not its job.
    drop(request.answer.send(answer));
}
