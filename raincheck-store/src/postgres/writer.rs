use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use raincheck_core::{Command, Reply};
use tokio::sync::{mpsc, oneshot};

use super::after::After;
use super::batch::{Batch, Mind};
use super::connect::Connector;
use super::db::Db;
use super::figures::Book;
use super::run::{BATCH_LOCK, Done, Stop};
use super::shared::{Shared, Trouble};
use super::{forget, sweep};
use crate::StoreError;

/// Most commands in one transaction: enough to share a round trip and an fsync among all who wait.
const COMMANDS: usize = 512;
/// How long callers wait for a database that cannot be reached, or for an answer of it that was lost.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries to reach the database.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// Silence of the database that is no fault of the workers'.
const OUTAGE: Duration = Duration::from_secs(1);
/// How often a transaction is begun anew because another node was quicker.
const RACES: u32 = 20;
/// Figures of other nodes are at most about this old while something goes on.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

pub(super) type Answer = Result<Vec<Reply>, StoreError>;

/// Commands of one caller and the way back to it.
pub(super) struct Request {
    pub commands: Vec<Command>,
    pub answer: oneshot::Sender<Answer>,
}

/// The one task of a node that writes. It drains its channel into one transaction, so that everyone who waits shares one
/// commit; nobody waits for a batch to fill.
pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub connector: Connector,
    pub db: Option<Db>,
    pub mind: Mind,
    pub looked: Instant,
    pub lost_since: Option<Instant>,
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
            if self.looked.elapsed() >= LOOK_AGAIN && self.shared.stale.is_set() {
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
    async fn carry_out(&mut self, batch: &[Request]) -> Result<Vec<Vec<Reply>>, StoreError> {
        let (begin, mut races) = (Instant::now(), 0);
        loop {
            let mut db = match self.connected().await {
                Ok(db) => db,
                Err(_) if begin.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(trouble) => return Err(trouble.into()),
            };
            let number = self.shared.node.load(Ordering::Acquire);
            if self.mind.lane != number {
                self.mind.lane = number;
                self.mind.mint.change_to(number.unsigned_abs());
            }
            let mut made = Batch::new(&db, &self.shared, &mut self.mind);
            let outcome = made.transact(batch).await;
            let after = After::of(made);
            let trouble = match outcome {
                Ok(done) => {
                    let swept = after.swept;
                    let replies = after.publish(&self.shared, done);
                    if swept {
                        sweep::look_ahead(&db, &self.shared, &self.mind.floors).await.unwrap_or_else(|trouble| {
                            // The old times stay: too early, which is harmless.
                            tracing::warn!(%trouble, "the next due time cannot be read");
                        });
                    }
                    self.db = Some(db);
                    return Ok(replies);
                }
                Err(Stop::During(number, replies, trouble)) => {
                    tracing::warn!(%trouble, "the connection ended during a commit; asking what became of it");
                    self.lose(&trouble);
                    match self.what_became_of(number).await {
                        Some(true) => {
                            let replies = after.publish(&self.shared, Done { replies, told: None });
                            self.shared.feed.behind.notify_one();
                            return Ok(replies);
                        }
                        Some(false) => trouble,
                        None => return Err(StoreError::Unknown(trouble.to_string())),
                    }
                }
                Err(Stop::Before(trouble)) => trouble,
            };
            after.take_back(&self.shared);
            self.mind.floors.forget();
            if trouble.is_loss() || db.is_closed() {
                self.lose(&trouble);
                if begin.elapsed() < PATIENCE {
                    continue;
                }
                return Err(trouble.into());
            }
            races += 1;
            let mut again = trouble.is_race();
            if db.run("ROLLBACK").await.is_ok() {
                if trouble.is_uncovered() {
                    again = self.cover(&mut db, &trouble).await;
                } else if matches!(trouble, Trouble::Renamed | Trouble::Crowded) {
                    again = self.rename(&db, &trouble).await;
                }
                self.db = Some(db);
            }
            if !again || races > RACES {
                return Err(self.refuse(trouble));
            }
            tracing::debug!(%trouble, races, "a transaction is begun anew");
        }
    }

    /// The connection, a new one where the old one has ended.
    async fn connected(&mut self) -> Result<Db, Trouble> {
        if let Some(db) = self.db.take().filter(|db| !db.is_closed()) {
            return Ok(db);
        }
        match self.connector.connect().await {
            Ok(client) => {
                if let Some(since) = self.lost_since.take()
                    && since.elapsed() >= OUTAGE
                {
                    self.shared.regained.store(self.shared.lease_now(), Ordering::Release);
                    tracing::info!(seconds = since.elapsed().as_secs(), "the database is reached again");
                }
                *self.shared.lost.write() = None;
                Ok(Db::new(client))
            }
            Err(trouble) => {
                self.lose(&trouble);
                Err(trouble)
            }
        }
    }

    fn lose(&mut self, trouble: &Trouble) {
        if self.lost_since.is_none() {
            self.lost_since = Some(Instant::now());
            self.mind.floors.forget();
            tracing::warn!(%trouble, "the database is lost");
        }
        *self.shared.lost.write() = Some(trouble.to_string());
    }

    /// Whether a transaction was committed whose answer was lost: who gets its lock knows that it has ended, and if it was
    /// committed its row stands in the feed. `None` when the database cannot be asked.
    async fn what_became_of(&mut self, number: i64) -> Option<bool> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let Ok(db) = self.connected().await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            if let Ok(committed) = asked(&db, number).await {
                self.db = Some(db);
                return Some(committed);
            }
        }
        None
    }

    /// Makes the partition that was missing; answers whether there is one now.
    async fn cover(&self, db: &mut Db, trouble: &Trouble) -> bool {
        let stretches = &self.shared.stretches;
        let covered = match trouble {
            Trouble::Uncovered(no) => stretches.make(db.client_mut(), *no).await.map(drop),
            _ => stretches.load(db.client()).await,
        };
        covered.inspect_err(|why| tracing::warn!(%why, "a partition cannot be made")).is_ok()
    }

    /// Makes room for names, if that is what is wanted, and reads them again; answers whether they are known now.
    async fn rename(&mut self, db: &Db, trouble: &Trouble) -> bool {
        let renamed = async {
            if matches!(trouble, Trouble::Crowded) && !forget::unused(db).await? {
                self.mind.found_no_name = Some(self.shared.clock.ticks());
            }
            self.shared.reread_names(db).await?;
            let book = Book::load(db.client(), &self.shared).await?;
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
    /// meanwhile, so that what is read is all there is.
    async fn look_again(&mut self) {
        self.looked = Instant::now();
        self.shared.stale.clear();
        let Ok(db) = self.connected().await else { return };
        let hints = std::mem::take(&mut self.shared.book.write().maybe_ready);
        match Book::load(db.client(), &self.shared).await {
            Ok(book) => {
                let mut present = self.shared.book.write();
                let since = std::mem::take(&mut present.maybe_ready);
                *present = Book { maybe_ready: since, ..book };
            }
            Err(trouble) => {
                self.shared.book.write().maybe_ready.extend(hints);
                tracing::warn!(%trouble, "figures of other nodes cannot be read");
            }
        }
        if let Err(trouble) = sweep::look_ahead(&db, &self.shared, &self.mind.floors).await {
            tracing::warn!(%trouble, "the next due time cannot be read");
        }
        self.db = Some(db);
    }
}

async fn asked(db: &Db, number: i64) -> Result<bool, Trouble> {
    let lock = format!(
        "BEGIN; SET LOCAL lock_timeout = '{}s'; SELECT pg_advisory_xact_lock({BATCH_LOCK}, {})",
        PATIENCE.as_secs(),
        number % 2_147_483_647
    );
    db.run(&lock).await?;
    let rows = db.query("SELECT FROM feed WHERE batch = $1", &[&number]).await?;
    db.run("COMMIT").await?;
    Ok(!rows.is_empty())
}

fn give(request: Request, answer: Answer) {
    // A caller that went away meanwhile loses its answer, not its job.
    drop(request.answer.send(answer));
}
