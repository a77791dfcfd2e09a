//! A checker that sees every commit and every answer, keeps its own record of what must be so, and says no at the
//! first thing that is not. It shares no code with the rules it watches.

mod cause;
mod counts;
mod feed;
mod follow;
mod life;
mod scan;
mod steps;
mod submits;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use raincheck_core::{
    Again, Command, Cursor, Digest, Event, FeedRetention, JobId, JobNo, LeaseRef, Millis, Name, Outcome, Overdue,
    Reply, State, Timestamp,
};

use crate::model::{Found, Model};
use counts::Counts;
use follow::Owed;
use life::Life;
use verdict::demand;
pub use verdict::{Verdict, Violation};

/// A command that was carried out in a transaction that is on disk.
#[derive(Clone, Debug)]
pub struct Done {
    /// What was asked.
    pub command: Command,
    /// Somebody asked; else it followed from something else.
    pub is_asked: bool,
    /// What will be answered.
    pub reply: Reply,
    /// What it wrote into the feed.
    pub events: Vec<Event>,
    /// Jobs it purged, or whose tombstones it dropped.
    pub gone: Vec<JobNo>,
}

impl Done {
    /// Whether it has to do with this job.
    pub fn is_about(&self, no: JobNo) -> bool {
        names(&self.command) == Some(no)
            || self.events.iter().any(|event| event.no == no)
            || self.gone.contains(&no)
            || matches!(&self.reply, Reply::Submitted(all) if all.iter().any(|one| one.job().no == no))
            || matches!(&self.reply, Reply::Again(all)
                if all.iter().any(|one| matches!(one, Again::Here(job) if job.no == no)))
    }
}

/// Sees all, and says what is wrong.
#[derive(Debug)]
pub struct Checker {
    now: Timestamp,
    ticks: Millis,
    lives: BTreeMap<JobNo, Life>,
    /// Purged jobs, and until when that is remembered.
    forgotten: BTreeMap<JobNo, Timestamp>,
    /// The highest number ever given.
    newest: JobNo,
    counts: Counts,
    keys: BTreeMap<(Name, Box<str>), (JobNo, Digest)>,
    ids: BTreeMap<JobId, (JobNo, Digest)>,
    batches: BTreeMap<Box<str>, (Vec<JobNo>, Digest)>,
    /// Jobs that somebody was told exist.
    acknowledged: BTreeSet<JobNo>,
    /// What must follow from ends so far.
    owed: Owed,
    /// Ends that a worker was told were taken.
    accepted: BTreeMap<JobNo, (u32, Digest)>,
    /// Every event in the order of the commits, as far back as somebody reads.
    feed: BTreeMap<i64, (JobNo, u32, Timestamp)>,
    floor: Cursor,
    last_cursor: i64,
    /// How often the server was started, and how often a job was queued.
    starts: u64,
    line: u64,
    tombstone: Millis,
    retention: FeedRetention,
}

impl Checker {
    /// Nothing has happened yet.
    pub fn new(setup: &crate::Setup, kind_caps: &BTreeMap<Name, u32>) -> Self {
        Checker {
            now: Timestamp(0),
            ticks: 0,
            lives: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            newest: JobNo(0),
            counts: Counts::new(setup, kind_caps),
            keys: BTreeMap::new(),
            ids: BTreeMap::new(),
            batches: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            owed: Owed::default(),
            accepted: BTreeMap::new(),
            feed: BTreeMap::new(),
            floor: Cursor(0),
            last_cursor: 0,
            starts: 0,
            line: 0,
            tombstone: setup.tombstone,
            retention: setup.feed,
        }
    }

    /// Jobs that are not final.
    pub fn unfinished(&self) -> usize {
        self.lives.values().filter(|life| !life.row.state.is_final()).count()
    }

    /// A transaction is on disk, at the time that the store's clocks show.
    pub fn committed(&mut self, all: &[Done], store: &Model) -> Verdict {
        self.moment(store)?;
        let mut touched = BTreeSet::new();
        for done in all {
            self.one(done)?;
            touched.extend(done.events.iter().map(|event| event.no));
            if let Reply::Submitted(submitted) = &done.reply {
                touched.extend(submitted.iter().map(|one| one.job().no));
            }
        }
        for no in touched {
            let (Some(life), Some(row)) = (self.lives.get_mut(&no), store.job(no)) else { continue };
            life.becomes(row)?;
        }
        for no in all.iter().filter_map(|done| names(&done.command)) {
            let (Some(life), Some(row)) = (self.lives.get(&no), store.job(no)) else { continue };
            demand!(life.row == *row, no, "a job changed without an event: {:#?} became {row:#?}", life.row);
        }
        self.owed.is_left_over(store)?;
        self.trimmed(store.feed_bounds().1)
    }

    fn one(&mut self, done: &Done) -> Verdict {
        for event in &done.events {
            demand!(event.cursor.0 > self.last_cursor, event.no, "an event behind the last cursor: {event:?}");
            self.last_cursor = event.cursor.0;
            self.feed.insert(event.cursor.0, (event.no, event.seq, event.at));
        }
        if !done.is_asked {
            self.owed.pay(&done.command)?;
        }
        match (&done.command, &done.reply) {
            (Command::Submit(asked), Reply::Submitted(got)) => return self.submitted(asked, got, &done.events),
            (Command::Submit(asked), Reply::Refused(index, why)) => return self.refused(asked, *index, why, done),
            (Command::SubmitBatch(batch), _) => return self.batch(batch, done),
            _ => {}
        }
        for event in &done.events {
            self.event(event, &done.command)?;
        }
        self.answer(done)?;
        for no in &done.gone {
            match done.command {
                Command::DropTombstones(_) => self.drop_tombstone(*no)?,
                _ => self.forget(*no, &done.command)?,
            }
        }
        Ok(())
    }

    /// The job is forgotten but for its tombstone: only a finished one may be, and by retention only an old one.
    fn forget(&mut self, no: JobNo, cause: &Command) -> Verdict {
        let Some(life) = self.lives.remove(&no) else { return Ok(()) };
        let row = &life.row;
        demand!(life.state.is_final(), no, "an unfinished job was deleted: {row:#?}");
        let over = matches!(cause, Command::Purge(_)) || life.is_over(self.now);
        demand!(over, no, "retention took a job that it should have kept: {row:#?}");
        self.counts.moved(row, Some(life.state), None);
        self.forgotten.insert(no, self.now.plus(self.tombstone));
        self.accepted.remove(&no);
        Ok(())
    }

    fn drop_tombstone(&mut self, no: JobNo) -> Verdict {
        let until = self.forgotten.remove(&no);
        demand!(until.is_some_and(|until| until <= self.now), no, "a tombstone until {until:?} was dropped");
        self.acknowledged.remove(&no);
        self.keys.retain(|_, (named, _)| *named != no);
        self.ids.retain(|_, (named, _)| *named != no);
        let (lives, forgotten) = (&self.lives, &self.forgotten);
        let remembered = |no: &JobNo| lives.contains_key(no) || forgotten.contains_key(no);
        self.batches.retain(|_, (jobs, _)| jobs.iter().any(remembered));
        Ok(())
    }

    /// The store extended a lease.
    pub fn renewed(&mut self, lease: LeaseRef, answer: Option<(Millis, bool)>, store: &Model) -> Verdict {
        let live = self.lives.get_mut(&lease.no).filter(|life| life.runs(lease.attempt));
        match (live, answer) {
            (Some(life), Some((ttl, stop))) => {
                demand!(stop == life.row.cancel_requested, lease.no, "a run hears {stop} when asked to stop");
                life.deadline = store.ticks + ttl;
            }
            (Some(_), None) => demand!(false, lease.no, "a heartbeat of a live run is refused: {lease:?}"),
            (None, Some(_)) => demand!(false, lease.no, "a run that is over was extended: {lease:?}"),
            (None, None) => {}
        }
        Ok(())
    }

    /// A look for runs that are over found these: whatever was away meanwhile, no time limit is passed over.
    pub fn looked_for_overdue(&self, over: &[(LeaseRef, Overdue)], store: &Model) -> Verdict {
        let late = |life: &&Life| life.row.state == State::Running && life.time_until <= store.ticks;
        for life in self.lives.values().filter(late) {
            let found = over.contains(&(life.lease(), Overdue::TimedOut));
            demand!(found, life.row.no, "goes on at {}, and had time until {}", store.ticks, life.time_until);
        }
        Ok(())
    }

    /// The server did not listen for so long: no lease runs meanwhile. The time of a run does.
    pub fn stood_still(&mut self, by: Millis) {
        self.lives.values_mut().filter(|life| life.row.state == State::Running).for_each(|life| life.deadline += by);
    }

    /// The clocks as the store sees them, whatever befell those of the machine.
    fn moment(&mut self, store: &Model) -> Verdict {
        if store.now < self.now {
            return Err(Violation { job: None, what: format!("time went back by {} ms", self.now.since(store.now)) });
        }
        (self.now, self.ticks) = (store.now, store.ticks);
        Ok(())
    }

    /// The server came up again: every lease lasts its full length from now on.
    pub fn restarted(&mut self, store: &Model) -> Verdict {
        self.starts += 1;
        self.moment(store)?;
        for life in self.lives.values_mut().filter(|life| life.row.state == State::Running) {
            life.deadline = store.ticks + life.row.ttl;
            // The time limit goes on by the wall clock, which may have been set meanwhile.
            let elapsed = life.row.started_at.map_or(0, |at| store.now.since(at)).max(0);
            life.time_until = store.ticks + (life.row.timeout - elapsed).max(0);
        }
        self.scan(store)
    }

    /// An answer reached its caller.
    pub fn answered(&mut self, command: &Command, reply: &Reply) {
        match (command, reply) {
            (Command::Submit(_) | Command::SubmitBatch(_), Reply::Submitted(got)) => {
                self.acknowledged.extend(got.iter().map(|one| one.job().no));
            }
            (Command::Settle(settle), Reply::Job(_)) => {
                if let Outcome::Complete(result) = &settle.outcome {
                    self.accepted.insert(settle.lease.no, (settle.lease.attempt, result.digest));
                }
            }
            _ => {}
        }
    }

    /// Somebody looks at a job behind its handle.
    pub fn looked(&self, no: JobNo, id: JobId, store: &Model) -> Verdict {
        // An id that a client chose may have been chosen again after it was forgotten.
        let no = self.ids.get(&id).map_or(no, |(no, _)| *no);
        let expected = if self.lives.contains_key(&no) {
            Found::Here(no)
        } else if self.forgotten.contains_key(&no) {
            Found::Purged
        } else {
            Found::Unknown
        };
        let found = store.find(id);
        demand!(found == expected, no, "behind the handle {id} is {found:?}, not {expected:?}");
        let unknown = found == Found::Unknown && self.acknowledged.contains(&no);
        demand!(!unknown, no, "acknowledged, and unknown: {id}");
        Ok(())
    }
}

/// The one job that a command is about.
fn names(command: &Command) -> Option<JobNo> {
    match command {
        Command::Settle(settle) => Some(settle.lease.no),
        Command::Progress(lease, _) | Command::Extend(lease, _) => Some(lease.no),
        Command::Append(append) => Some(append.lease.no),
        Command::Cancel(cancel) => Some(cancel.no),
        Command::RunNow(no, _) | Command::Purge(no) => Some(*no),
        _ => None,
    }
}
