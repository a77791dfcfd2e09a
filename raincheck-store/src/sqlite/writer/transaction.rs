//! The loop of the one thread that writes.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use raincheck_core::{Command, Outcome, Reply};
use tokio::sync::mpsc;

use super::counters::Counters;
use super::due;
use super::reply_sender::{Answers, Caller};
use super::state::{LeaseChange, Request, WriterState};
use crate::StoreError;
use crate::records::Commit;
use crate::sqlite::connection::BUSY;
use crate::sqlite::error::{SqliteError, other};

/// Most commands in one transaction: enough to share an fsync among all who wait, few enough to stay under a
/// millisecond or two.
const COMMANDS: usize = 512;
/// The log is folded back by the writer itself once it is this long and the background did not get it reset.
const WAL_PAGES: i64 = 16_384;
/// The same while space is low: what is left is for the ends of jobs.
const LOW_WAL_PAGES: i64 = 1_024;
/// How long the writer waits for a reader that is in the way of beginning the log anew.
const READER_WAIT: Duration = Duration::from_millis(20);

impl WriterState<'_> {
    /// Serves until the channel closes: one transaction after the other, each for all who wait by then.
    pub fn run(mut self, mut requests: mpsc::UnboundedReceiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let batch = gather(first, &mut requests);
            let begin = Instant::now();
            self.transact(batch);
            self.shared.commit_clock.record(begin.elapsed());
        }
        match self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;") {
            Ok(()) => self.shared.high_water.lock().reach(self.shared.head.load(Ordering::Acquire)),
            Err(error) => tracing::warn!(%error, "the log is left as it is; the next start folds it in"),
        }
    }

    /// One transaction:
    ///
    /// 1. Refuse what there is no space for; put last what must see all the rest.
    /// 2. Carry out the commands one by one ([`WriterState::apply`]): look up facts, have the rules decide, write changes.
    /// 3. Carry out what follows from them, and write down what of it is too much.
    /// 4. Write the counters that changed.
    /// 5. Commit: from here on it is on disk.
    /// 6. Publish: counters for readers, leases, then the events.
    /// 7. Reply.
    /// 8. Begin the log anew when it has grown too long.
    ///
    /// When 2 to 5 fail, nothing of it happened: the memory goes back to what is on disk, and all callers hear why.
    fn transact(&mut self, batch: Vec<Request>) {
        if self.shared.gone.load(Ordering::Relaxed) {
            let error = self.shared.stopped();
            return self.replies.give(Answers(batch.into_iter().map(|r| (r.answer, Err(error.clone()))).collect()));
        }
        // 1. Refuse and order.
        let (plain, last) = self.admit(batch);
        if plain.is_empty() && last.is_empty() {
            return;
        }
        let mut answers = Vec::with_capacity(plain.len() + last.len());
        // 2. to 5. Write and commit.
        match self.commit(plain.into_iter().chain(last), &mut answers) {
            Ok(()) => {
                // 6. Publish.
                self.publish();
                // 7. Reply.
                self.replies.give(Answers(answers.into_iter().map(|(to, replies)| (to, Ok(replies))).collect()));
            }
            Err((error, unanswered)) => {
                self.recover(&error);
                let error = other(error);
                let callers = answers.into_iter().map(|(to, _)| to).chain(unanswered);
                self.replies.give(Answers(callers.map(|to| (to, Err(error.clone()))).collect()));
            }
        }
        // 8. The log.
        self.shared.space.written();
        // While space is low, the log must not eat the rest of it by itself.
        let bound = if self.shared.space.is_low() { LOW_WAL_PAGES } else { WAL_PAGES };
        if self.shared.wal_pages.load(Ordering::Relaxed) > self.log_held + bound {
            self.restart_log();
        }
    }

    /// The requests that there is space for, and those of them that come last. The others are refused.
    fn admit(&self, batch: Vec<Request>) -> (Vec<Request>, Vec<Request>) {
        let mut refused = Vec::new();
        let taken = batch.into_iter().filter_map(|request| match self.shared.space.takes(&request.commands) {
            true => Some(request),
            false => {
                refused.push((request.answer, Err(StoreError::NoSpace)));
                None
            }
        });
        let admitted = taken.partition(|request| !request.commands.iter().any(comes_last));
        if !refused.is_empty() {
            self.replies.give(Answers(refused));
        }
        admitted
    }

    /// Writes all that `requests` come to and commits it, or gives it up. Puts the replies into `answers`; answers who else
    /// waits where it failed.
    fn commit(
        &mut self,
        mut requests: impl Iterator<Item = Request>,
        answers: &mut Vec<(Caller, Vec<Reply>)>,
    ) -> Result<(), (SqliteError, Vec<Caller>)> {
        self.inputs = 0;
        self.follow_ups.begin();
        if let Err(error) = self.statements.begin.run() {
            return Err((error.into(), requests.map(|r| r.answer).collect()));
        }
        // 2. Commands.
        while let Some(Request { commands, answer }) = requests.next() {
            let mut replies = Vec::with_capacity(commands.len());
            for command in commands {
                match self.apply(command) {
                    Ok(reply) => replies.push(reply),
                    Err(error) => {
                        let rest = requests.map(|r| r.answer);
                        return Err((error, std::iter::once(answer).chain(rest).collect()));
                    }
                }
            }
            answers.push((answer, replies));
        }
        // 3. What follows.
        self.follow().and_then(|()| self.leave_over()).map_err(|e| (e, Vec::new()))?;
        // 4. Counters.
        self.counters.flush(self.db, &self.shared.names).map_err(|e| (e.into(), Vec::new()))?;
        // 5. Commit.
        self.statements.commit.run().map_err(|e| (e.into(), Vec::new()))?;
        Ok(())
    }

    /// Tells of a transaction that is on disk.
    fn publish(&mut self) {
        self.publish_counters();
        self.shared.transactions.fetch_add(1, Ordering::Relaxed);
        self.shared.head.store(self.cursor, Ordering::Release);
        if std::mem::take(&mut self.swept)
            && let Err(error) = due::look_ahead(self)
        {
            // The old times stay: too early, which is harmless.
            tracing::warn!(%error, "the next due time cannot be read");
        }
        if !self.leases.is_empty() {
            let at = self.shared.clock.reading();
            let mut leases = self.shared.leases.lock();
            for change in self.leases.drain(..) {
                match change {
                    LeaseChange::Start(job, worker) => leases.start(&job, worker, at, 0),
                    LeaseChange::Extend(lease, ttl) => leases.hand_over(lease, ttl, at.served().saturating_add(ttl)),
                    LeaseChange::AskToStop(lease) => leases.ask_to_stop(lease),
                    LeaseChange::End(lease) => leases.end(lease),
                }
            }
        }
        let (events, chunks) = (std::mem::take(&mut self.events), std::mem::take(&mut self.chunks));
        let commit = Commit { events, chunks, history_changed: false, is_own: true };
        if commit.events.is_empty() && commit.chunks.is_empty() {
            return;
        }
        let mut commits = self.shared.commits.lock();
        if commits.as_ref().is_some_and(|reader| reader.send(commit).is_err()) {
            *commits = None;
        }
    }

    /// Shows readers the queues as they are now.
    fn publish_counters(&mut self) {
        let mut queues = self.shared.queues.write();
        self.forgot = false;
        for name in self.forgotten.drain(..) {
            queues.remove(&name);
        }
        for number in self.counters.take_touched() {
            if let Some(name) = self.shared.names.queue_name(number) {
                queues.insert(name.clone(), self.counters.show(number, name));
            }
        }
    }

    /// Knows again what was forgotten by what was taken back.
    fn remember(&mut self) -> Result<(), SqliteError> {
        if !self.forgot {
            return Ok(());
        }
        self.shared.names.reload(self.db, &self.shared.kind_caps.read())
    }

    /// Goes back to what is on disk after a transaction that failed.
    fn recover(&mut self, error: &SqliteError) {
        use rusqlite::ErrorCode::{DatabaseCorrupt, SystemIoFailure};
        if matches!(error.code(), Some(SystemIoFailure | DatabaseCorrupt)) {
            // After a failed write or fsync nobody knows what is on disk: carrying on could acknowledge what is
            // not there, or refuse what is. The next start reads the truth. Callers see a broken connection.
            tracing::error!(%error, "the disk failed; stopping at once, a restart recovers");
            std::process::abort();
        }
        if error.is_refusal() {
            self.shared.refused_writes.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%error, "a transaction was refused: it would have broken a promise; please report this");
        } else {
            tracing::error!(%error, "a transaction was rolled back");
        }
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "rollback failed; stopping at once, a restart recovers");
            std::process::abort();
        }
        self.events.clear();
        self.chunks.clear();
        self.leases.clear();
        self.swept = false;
        self.running.clear();
        self.cursor = self.shared.head.load(Ordering::Acquire);
        // What is due next is looked for only after a commit (see `publish`), so those times still hold.
        let remembered = self.remember();
        self.forgotten.clear();
        self.forgot = false;
        match remembered.and_then(|()| Ok(Counters::load(self.db)?)) {
            Ok(counters) => self.counters = counters,
            Err(error) => {
                tracing::error!(%error, "the counters cannot be read; stopping at once, a restart recovers");
                std::process::abort();
            }
        }
    }

    /// Folds the log back and begins it anew. A reader may be in the way, for as long as a backup takes: it is waited for
    /// shortly, and again when the log has grown some more, so that the log grows and commits go on.
    fn restart_log(&mut self) {
        let pages = self.shared.wal_pages.swap(0, Ordering::Relaxed);
        let restarted = self.db.busy_timeout(READER_WAIT).and_then(|()| {
            let busy = self.db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, bool>(0));
            self.db.busy_timeout(BUSY).and(busy.map(|busy| !busy))
        });
        self.log_held = if let Ok(true) = restarted {
            self.shared.space.folded(self.shared.space.logged());
            0
        } else {
            pages
        };
        if let Err(error) = restarted {
            tracing::warn!(%error, "the write-ahead log could not be restarted; it grows until it can");
        }
    }
}

/// What waits by now, as far as one transaction takes it. Nobody waits for it to fill.
fn gather(first: Request, requests: &mut mpsc::UnboundedReceiver<Request>) -> Vec<Request> {
    let mut size = first.commands.len();
    let mut batch = vec![first];
    while size < COMMANDS
        && let Ok(next) = requests.try_recv()
    {
        size += next.commands.len();
        batch.push(next);
    }
    batch
}

/// Leases come last, so that they see everything queued in the same transaction. So does what the sweep settles: the end
/// of a run may ride along with a request for more work that came before it.
fn comes_last(command: &Command) -> bool {
    match command {
        Command::Lease(_) => true,
        Command::Settle(settle) => matches!(settle.outcome, Outcome::Lost | Outcome::TimedOut),
        _ => false,
    }
}
