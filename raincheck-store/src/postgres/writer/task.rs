use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use raincheck_core::Reply;
use tokio::sync::mpsc;

use super::batch::Batch;
use super::effects::After;
use super::request::{Answer, Request};
use super::state::Mind;
use super::sweep;
use super::transaction::{Done, Stop};
use super::unused_names;
use crate::StoreError;
use crate::postgres::connection::connector::Connector;
use crate::postgres::connection::db::Db;
use crate::postgres::connection::timeouts::{LEAST, PATIENCE, PAUSE, answered, within};
use crate::postgres::error::Trouble;
use crate::postgres::shared::Shared;
use crate::postgres::tables::counters::Book;

/// Most commands in one transaction: enough to share a round trip and an fsync among all who wait.
const COMMANDS: usize = 512;
/// How often a transaction is begun anew because another node was quicker.
const RACES: u32 = 20;
/// How long callers are kept waiting for a look at what other nodes did.
const LOOK: Duration = Duration::from_secs(2);
/// Figures of other nodes are at most about this old while something goes on.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The one task of a node that writes. It drains its channel into one transaction, so that everyone who waits shares one
/// commit; nobody waits for a batch to fill.
pub(crate) struct Writer {
    pub shared: Arc<Shared>,
    pub connector: Connector,
    pub db: Option<Db>,
    pub mind: Mind,
    pub looked: Instant,
    pub lost_since: Option<Instant>,
    /// A transaction whose connection was lost, and which may be under way still: nothing is written before it has ended.
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
                () = self.shared.stale.since(self.looked + LOOK_AGAIN) => {
                    self.look_again().await;
                    continue;
                }
            };
            let Some(first) = first else { break };
            if self.looked.elapsed() >= LOOK_AGAIN && self.shared.stale.is_set() && self.shared.reach.reached().is_ok()
            {
                self.look_again().await;
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

    /// One transaction, begun anew as long as that is lawful: when it was certainly not committed, and nothing is wrong
    /// but the moment.
    ///
    /// 1. A connection, a new one where it was lost: what was under way on the old one has ended by then.
    /// 2. The transaction itself, in a batch: facts, decisions, changes, follow-ups, leases, commit; see [`Batch::transact`].
    /// 3. It is on disk: its effects are made known, and the replies are those of the callers.
    /// 4. No answer came to the commit: the database is asked what became of it.
    /// 5. It was not committed: what it had made known is taken back, what stood in its way is mended, and it begins anew.
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
                Err(trouble) => return Err(trouble.into()),
            };
            if self.shared.history.changes() != losses {
                // What is asked for here may mean jobs and runs that are not there any more, or others now.
                self.db = Some(db);
                return Err(Trouble::OtherHistory.into());
            }
            // 2.
            self.mind.go_by(self.shared.identity(), self.shared.history.current());
            let mut made = Batch::new(&db, &self.shared, &mut self.mind);
            let outcome = made.transact(batch, until).await;
            let number = Some(made.number).filter(|number| *number > 0);
            let after = After::of(made);
            let trouble = match outcome {
                // 3.
                Ok(done) => return Ok(self.publish(db, after, done).await),
                // 4.
                Err(Stop::During(number, replies, trouble)) => {
                    // Not withdrawn: a commit that waits for a standby would count as done without it.
                    drop(db);
                    match self.unanswered(number, after, replies, &trouble, until).await? {
                        Some(replies) => return Ok(replies),
                        None if Instant::now() < until => continue,
                        None => return Err(trouble.into()),
                    }
                }
                Err(Stop::Before(trouble)) => trouble,
            };
            // 5.
            after.take_back(&self.shared);
            self.mind.floors.forget();
            if trouble.is_loss() || db.is_closed() {
                self.give_up(db, number, &trouble);
                if Instant::now() + PAUSE < until {
                    continue;
                }
                return Err(trouble.into());
            }
            races += 1;
            if !self.mend(db, &trouble).await || races > RACES {
                return Err(self.refuse(trouble));
            }
            tracing::debug!(%trouble, races, "a transaction is begun anew");
        }
    }

    /// Makes known what is on disk; answers the replies.
    async fn publish(&mut self, db: Db, after: After, done: Done) -> Vec<Vec<Reply>> {
        let swept = after.swept;
        let replies = after.publish(&self.shared, done);
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
        after: After,
        replies: Vec<Vec<Reply>>,
        trouble: &Trouble,
        until: Instant,
    ) -> Result<Option<Vec<Vec<Reply>>>, StoreError> {
        tracing::warn!(%trouble, "no answer came to a commit; asking what became of it");
        self.lose(trouble);
        self.open = Some(number);
        match self.what_became_of(until.max(Instant::now() + LEAST)).await {
            Some(true) => {
                let replies = after.publish(&self.shared, Done { replies, told: None });
                self.shared.feed.behind.notify_one();
                Ok(Some(replies))
            }
            Some(false) => {
                after.take_back(&self.shared);
                Ok(None)
            }
            None => {
                after.leave_open(&self.shared);
                Err(StoreError::Unknown(trouble.to_string()))
            }
        }
    }

    /// Rolls back, and mends what stood in the way; answers whether it is worth beginning anew.
    async fn mend(&mut self, mut db: Db, trouble: &Trouble) -> bool {
        let mut again = trouble.is_race();
        if trouble.is_locked_out() {
            self.shared.lose(trouble);
        }
        if within(LEAST, db.run("ROLLBACK")).await.is_ok() {
            if trouble.is_uncovered() {
                again = self.cover(&mut db, trouble).await;
            } else if matches!(trouble, Trouble::Renamed | Trouble::Crowded) {
                again = self.rename(&db, trouble).await;
            }
            if matches!(trouble, Trouble::Fenced) {
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
        let (_, lost) = self.mind.identity;
        let taken = within(PATIENCE, self.shared.be_another(db.client(), lost)).await;
        taken.inspect_err(|why| tracing::warn!(%why, "this node finds no number to go on under")).is_ok()
    }

    /// Makes the partition that was missing; answers whether there is one now.
    async fn cover(&self, db: &mut Db, trouble: &Trouble) -> bool {
        let stretches = &self.shared.stretches;
        let covered = within(PATIENCE, async {
            match trouble {
                Trouble::Uncovered(no) => stretches.make(db.client_mut(), *no).await.map(drop),
                _ => stretches.load(db.client()).await,
            }
        });
        covered.await.inspect_err(|why| tracing::warn!(%why, "a partition cannot be made")).is_ok()
    }

    /// Makes room for names, if that is what is wanted, and reads them again; answers whether they are known now.
    async fn rename(&mut self, db: &Db, trouble: &Trouble) -> bool {
        let renamed = async {
            if matches!(trouble, Trouble::Crowded) && !unused_names::unused(db).await? {
                self.mind.found_no_name = Some(self.shared.clock.own.ticks());
            }
            self.shared.reread_names(db.client()).await?;
            let book = Book::load(db.client(), &self.shared.names, self.shared.history.current()).await?;
            let mut present = self.shared.book.write();
            let maybe_ready = std::mem::take(&mut present.maybe_ready);
            *present = Book { maybe_ready, ..book };
            Ok::<_, Trouble>(())
        };
        renamed.await.inspect_err(|why| tracing::warn!(%why, "names cannot be read again")).is_ok()
    }

    fn refuse(&self, trouble: Trouble) -> StoreError {
        if trouble.is_refusal() {
            self.shared.refused_writes.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%trouble, "a transaction was refused: it would have broken a promise; please report this");
        } else {
            tracing::error!(%trouble, "a transaction was rolled back");
        }
        trouble.into()
    }

    /// Reads what other nodes changed of figures, settings and due times. Nothing of this node's own is under way
    /// meanwhile, so that what is read is all there is. Where the database was lost, this finds it again.
    async fn look_again(&mut self) {
        self.looked = Instant::now();
        self.shared.stale.clear();
        let until = Instant::now() + LOOK;
        let Ok(db) = self.connected(until).await else { return };
        let hints = std::mem::take(&mut self.shared.book.write().maybe_ready);
        let looked = async {
            let book = Book::load(db.client(), &self.shared.names, self.shared.history.current()).await?;
            sweep::look_ahead(&db, &self.shared, &self.mind.floors).await?;
            Ok(book)
        };
        match answered(until, looked).await {
            Ok(book) => {
                let mut present = self.shared.book.write();
                let since = std::mem::take(&mut present.maybe_ready);
                *present = Book { maybe_ready: since, ..book };
                drop(present);
                self.shared.reach.found();
                self.db = Some(db);
            }
            Err(trouble) => {
                self.shared.book.write().maybe_ready.extend(hints);
                tracing::warn!(%trouble, "what other nodes changed cannot be read");
                if trouble.is_loss() {
                    self.give_up(db, None, &trouble);
                } else {
                    self.db = Some(db);
                }
            }
        }
    }

    async fn look_ahead(&self, db: &Db) {
        let looked = within(LOOK, sweep::look_ahead(db, &self.shared, &self.mind.floors)).await;
        if let Err(trouble) = looked {
            // The old times stay: too early, which is harmless.
            tracing::warn!(%trouble, "the next due time cannot be read");
        }
    }
}

fn give(request: Request, answer: Answer) {
    // A caller that went away meanwhile loses its answer, not its job.
    drop(request.answer.send(answer));
}
