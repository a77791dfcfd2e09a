//! The server of the simulation: it gathers requests into one transaction, writes, tells and answers, and may die
//! between any two of these effects.

use std::collections::VecDeque;

use raincheck_core::{Command, Cursor, Event, LeaseRef, Millis, Reply, Timestamp};

use super::tally::Tally;
use crate::check::{Checker, Done, Verdict, Violation};
use crate::model::{Model, Stop};
use crate::{Flaw, Setup};

/// What happened to a store, to be done again to another one.
#[derive(Clone, Debug)]
pub enum Step {
    /// Time passed.
    Pass(Millis),
    /// The wall clock was set.
    Jump(Millis),
    /// These commands were carried out in one transaction.
    Apply(Vec<Done>),
    /// A heartbeat; answered by length and call to stop, or `None` when the lease was over.
    Renew(LeaseRef, Option<Millis>, Option<(Millis, bool)>),
    /// The store was closed, or died, and opened again.
    Restart,
}

/// What befalls a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Luck {
    /// The server dies after so many effects.
    pub fuse: Option<u32>,
    /// The server dies at the commit, which was carried out or not.
    pub unknown_commit: Option<bool>,
    /// The store has no room: the transaction is taken back, and the server goes on.
    pub refuse: bool,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Fate {
    /// Answers that left the server, by request.
    pub answers: Vec<Option<Vec<Reply>>>,
    /// The server died.
    pub crashed: bool,
    /// Everyone was told that nothing happened.
    pub refused: bool,
}

/// The most commands that are remembered for the story of a violation.
const RECENT: usize = 20_000;

/// The server.
pub struct Server {
    /// Its store.
    pub store: Model,
    /// Sees every commit and answer.
    pub check: Checker,
    /// Counts.
    pub tally: Tally,
    /// Operations so far.
    pub ops: u64,
    /// Is kept up by those who replay.
    pub trace: Option<Vec<Step>>,
    /// The machine's wall clock: time as the store sees it is never behind what it saw before.
    wall: Timestamp,
    /// Where the one who is told of commits stands.
    tail: Cursor,
    recent: VecDeque<(u64, Done)>,
    flaw: Option<Flaw>,
}

impl Server {
    /// Over a new, empty store.
    pub fn new(store: Model, setup: &Setup) -> Self {
        let check = Checker::new(setup, &store.kind_caps);
        let (wall, tail, flaw) = (store.now, Cursor(0), setup.flaw);
        Server { store, check, tally: Tally::default(), ops: 0, trace: None, wall, tail, recent: VecDeque::new(), flaw }
    }

    /// Counts one operation.
    pub fn op(&mut self, what: &'static str) {
        self.ops += 1;
        self.tally.count(what);
    }

    fn record(&mut self, step: impl FnOnce() -> Step) {
        if let Some(trace) = &mut self.trace {
            trace.push(step());
        }
    }

    /// Carries out what several callers ask for in one transaction. When the server dies, [`Server::restart`] is next.
    pub fn transact(&mut self, batch: Vec<Vec<Command>>, luck: Luck) -> Result<Fate, Violation> {
        let mut fate = Fate { answers: batch.iter().map(|_| None).collect(), ..Fate::default() };
        self.store.fuse = luck.fuse;
        let sizes: Vec<usize> = batch.iter().map(Vec::len).collect();
        let mut done = Vec::new();
        let end = self.effects(batch, &sizes, luck, &mut done, &mut fate);
        for done in done {
            self.ops += 1;
            self.tally.done(&done);
            self.recent.push_back((self.ops, done));
        }
        while self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        match end {
            Ok(()) => self.store.fuse = None,
            Err(Failed::Violation(violation)) => return Err(violation),
            Err(Failed::Stop(Stop::Refused(what))) => return Err(Violation { job: None, what }),
            Err(Failed::Stop(Stop::Crash)) => fate.crashed = true,
        }
        Ok(fate)
    }

    fn effects(
        &mut self,
        batch: Vec<Vec<Command>>,
        sizes: &[usize],
        luck: Luck,
        done: &mut Vec<Done>,
        fate: &mut Fate,
    ) -> Result<(), Failed> {
        for command in batch.into_iter().flatten() {
            if self.store.follows_before(&command) {
                self.follow(done)?;
            }
            done.push(self.one(command, true)?);
        }
        self.follow(done)?;
        self.store.leave_over()?;
        if luck.refuse {
            self.store.rollback();
            fate.refused = true;
            done.clear();
            return Ok(());
        }
        if self.flaw == Some(Flaw::TellBeforeCommit) {
            let events = self.store.open_events().to_vec();
            self.tell(&events)?;
        }
        if self.flaw == Some(Flaw::ReplyBeforeCommit) {
            self.answer(done, sizes, fate)?;
        }
        if let Some(applied) = luck.unknown_commit {
            self.store.fuse = None;
            if applied {
                self.store.commit()?;
                self.committed(done)?;
            } else {
                done.clear();
            }
            return Err(Stop::Crash.into());
        }
        let committed = self.store.commit();
        if committed.is_err() {
            done.clear();
        }
        let events = committed?;
        self.committed(done)?;
        self.store.effect()?;
        self.store.publish();
        if self.flaw != Some(Flaw::TellBeforeCommit) {
            self.tell(&events)?;
        }
        self.answer(done, sizes, fate)?;
        Ok(())
    }

    fn follow(&mut self, done: &mut Vec<Done>) -> Result<(), Stop> {
        while let Some(round) = self.store.next_round() {
            for follow_up in round {
                done.push(self.one(follow_up.command(), false)?);
            }
        }
        Ok(())
    }

    fn one(&mut self, command: Command, is_asked: bool) -> Result<Done, Stop> {
        let before = self.store.open_events().len();
        let reply = self.store.apply(command.clone())?;
        let events = self.store.open_events()[before..].to_vec();
        Ok(Done { command, is_asked, reply, events, gone: self.store.take_gone() })
    }

    fn committed(&mut self, done: &[Done]) -> Verdict {
        self.record(|| Step::Apply(done.to_vec()));
        self.check.committed(done, &self.store)
    }

    fn tell(&mut self, events: &[Event]) -> Verdict {
        self.check.heard(self.tail, events)?;
        self.tail = events.last().map_or(self.tail, |event| event.cursor);
        Ok(())
    }

    fn answer(&mut self, done: &[Done], sizes: &[usize], fate: &mut Fate) -> Result<(), Stop> {
        let mut replies = done.iter().filter(|done| done.is_asked).map(|done| done.reply.clone());
        for (answer, size) in fate.answers.iter_mut().zip(sizes) {
            if answer.is_none() {
                self.store.effect()?;
                *answer = Some(replies.by_ref().take(*size).collect());
            }
        }
        Ok(())
    }

    /// A heartbeat, which is never written.
    pub fn renew(&mut self, lease: LeaseRef, ttl: Option<Millis>) -> Result<Option<(Millis, bool)>, Violation> {
        self.op("heartbeats");
        let answer = self.store.renew(lease, ttl);
        self.record(|| Step::Renew(lease, ttl, answer));
        self.check.renewed(lease, answer, &self.store)?;
        Ok(answer)
    }

    /// The next start: nothing in memory is left, what is on disk is all there is.
    pub fn restart(&mut self) -> Verdict {
        self.op("restarts");
        self.store.restart();
        self.record(|| Step::Restart);
        self.tail = self.store.feed_bounds().0;
        self.check.restarted(&self.store)
    }

    /// Time passes on both clocks.
    pub fn pass(&mut self, by: Millis) {
        self.wall = self.wall.plus(by);
        self.store.now = self.store.now.plus(by);
        self.store.ticks += by;
        self.record(|| Step::Pass(by));
    }

    /// The server stands still: time passes, and it hears of nothing.
    pub fn stand_still(&mut self, by: Millis) {
        self.op("fault: server stood still");
        self.pass(by);
        self.store.idle += by;
        self.check.stood_still(by);
    }

    /// The wall clock is set.
    pub fn jump(&mut self, by: Millis) {
        self.op("fault: wall clock set");
        self.wall = self.wall.plus(by);
        let back = self.flaw == Some(Flaw::TimeGoesBack);
        let by = self.wall.since(self.store.now);
        let by = if back { by } else { by.max(0) };
        self.store.now = self.store.now.plus(by);
        self.record(|| Step::Jump(by));
    }

    /// The last operations that have to do with what went wrong.
    pub fn story(&self, violation: &Violation, most: usize) -> Vec<String> {
        let about = |done: &&(u64, Done)| violation.job.is_none_or(|no| done.1.is_about(no));
        let mut last: Vec<String> = self.recent.iter().rev().filter(about).take(most).map(line).collect();
        last.reverse();
        last
    }
}

fn line((op, done): &(u64, Done)) -> String {
    let cut =
        |text: String| if text.len() > 400 { format!("{} …", &text[..text.floor_char_boundary(400)]) } else { text };
    let events = done.events.iter().map(|event| {
        let Event { no, seq, attempt, .. } = event;
        format!("\n           event {seq} of {}, attempt {attempt}: {}", no.0, event.data.event_type().as_str())
    });
    let (asked, answered) = (cut(format!("{:?}", done.command)), cut(format!("{:?}", done.reply)));
    format!("{op:>9}  {asked}\n           answered {answered}{}", events.collect::<String>())
}

/// Why a transaction did not come to its end.
enum Failed {
    Stop(Stop),
    Violation(Violation),
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Self {
        Failed::Stop(stop)
    }
}

impl From<Violation> for Failed {
    fn from(violation: Violation) -> Self {
        Failed::Violation(violation)
    }
}
