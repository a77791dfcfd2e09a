//! A store in memory, with a part that lasts and a part that a crash forgets: it loads facts, lets
//! [`raincheck_core::interpreter`] decide, and writes what that says, as every store does. It is what the simulation runs
//! on, and what other stores are compared with.

mod apply;
mod claims;
mod disk;
mod follow;
mod jobs;
mod lease;
mod leases;
mod purge;
mod read;
mod table;
mod write;

use std::collections::BTreeMap;

use raincheck_core::decide::Moment;
use raincheck_core::interpreter::{FollowUps, Following};
use raincheck_core::{
    Cursor, Event, EventData, FeedRetention, IdMint, Job, JobNo, LeaseRef, Millis, Name, Overdue, Reading, State,
    Timestamp, limits,
};
use rand::SeedableRng;
use rand::rngs::StdRng;

pub(crate) use disk::{Claim, Disk};
pub use read::Found;

use crate::Flaw;
use disk::Meta;
use leases::Leases;

/// Why a store did not carry out what it was told.
#[derive(Debug)]
pub enum Stop {
    /// The server died at this very moment.
    Crash,
    /// A write that a unique index or a guard refuses: the rules asked for something that cannot be.
    Refused(String),
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Of all randomness.
    pub seed: u64,
    /// Most waiting jobs of a queue that says nothing else.
    pub max_queued: u64,
    /// Most waiting jobs in all.
    pub max_in_all: u64,
    /// How long purged jobs are remembered.
    pub tombstone: Millis,
    /// How much of the feed stays when its jobs are forgotten.
    pub feed: FeedRetention,
    /// How it deals with follow-ups.
    pub following: Following,
    /// What it does wrong.
    pub flaw: Option<Flaw>,
}

impl Setup {
    /// Every bound at its default.
    pub fn new(seed: u64) -> Self {
        let (max_queued, max_in_all) = (limits::QUEUED_PER_QUEUE, limits::QUEUED_IN_ALL);
        Setup {
            seed,
            max_queued,
            max_in_all,
            tombstone: limits::TOMBSTONE_MILLIS,
            feed: FeedRetention::default(),
            following: Following::default(),
            flaw: None,
        }
    }
}

enum LeaseChange {
    Start(Box<Job>, Box<str>),
    Extend(LeaseRef, Millis),
    AskToStop(LeaseRef),
    End(LeaseRef),
}

/// The store. Times are set by whoever owns the clocks.
pub struct Model {
    /// The wall clock.
    pub now: Timestamp,
    /// The monotonic clock.
    pub ticks: Millis,
    /// For how many ticks the server stood still.
    pub idle: Millis,
    /// How many effects go well before the server dies; `None` is for ever.
    pub fuse: Option<u32>,
    /// How many jobs of a kind may run at once.
    pub kind_caps: BTreeMap<Name, u32>,
    setup: Setup,
    disk: Disk,
    mint: IdMint,
    rng: StdRng,
    tick: Millis,
    cursor: i64,
    head: Cursor,
    leases: Leases,
    lease_changes: Vec<LeaseChange>,
    follow_ups: FollowUps,
    /// Of the open transaction.
    events: Vec<Event>,
    /// Jobs that the present command purged, or whose tombstones it dropped.
    gone: Vec<JobNo>,
}

impl Model {
    /// A new, empty one.
    pub fn new(setup: Setup, now: Timestamp) -> Self {
        let mut model = Model {
            now,
            ticks: 0,
            idle: 0,
            fuse: None,
            kind_caps: BTreeMap::new(),
            disk: Disk::default(),
            mint: IdMint::after(JobNo(0)),
            rng: StdRng::seed_from_u64(setup.seed),
            follow_ups: FollowUps::new(setup.following),
            setup,
            tick: 0,
            cursor: 0,
            head: Cursor(0),
            leases: Leases::default(),
            lease_changes: Vec::new(),
            events: Vec::new(),
            gone: Vec::new(),
        };
        model.restart();
        model
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.setup.flaw == Some(flaw)
    }

    /// One more effect on the world outside memory; the server may die before it.
    pub fn effect(&mut self) -> Result<(), Stop> {
        match &mut self.fuse {
            Some(0) => return Err(Stop::Crash),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(())
    }

    /// Makes the open transaction last. Answers its events.
    pub fn commit(&mut self) -> Result<Vec<Event>, Stop> {
        self.effect()?;
        let mut late = Vec::new();
        if self.has(Flaw::EventAfterCommit) {
            for event in &self.events {
                let at = (event.no, event.seq);
                late.extend(self.disk.events.remove(&at));
                self.disk.feed.remove(&event.cursor.0);
            }
        }
        self.disk.commit();
        self.follow_ups.begin();
        for event in late {
            self.effect()?;
            self.disk.feed.set(event.cursor.0, (event.no, event.seq));
            self.disk.events.set((event.no, event.seq), event);
            self.disk.commit();
        }
        Ok(std::mem::take(&mut self.events))
    }

    /// Events of the open transaction.
    pub fn open_events(&self) -> &[Event] {
        &self.events
    }

    /// Jobs that the last command purged, or whose tombstones it dropped.
    pub fn take_gone(&mut self) -> Vec<JobNo> {
        std::mem::take(&mut self.gone)
    }

    /// Tells of the transaction that is on disk: readers may see it, leases run.
    pub fn publish(&mut self) {
        self.head = Cursor(self.cursor);
        let at = self.lease_clock();
        for change in std::mem::take(&mut self.lease_changes) {
            match change {
                LeaseChange::Start(job, worker) => self.leases.start(&job, worker, at, 0),
                LeaseChange::Extend(lease, ttl) => self.leases.hand_over(lease, ttl, at),
                LeaseChange::AskToStop(lease) => self.leases.ask_to_stop(lease),
                LeaseChange::End(lease) => self.leases.end(lease),
            }
        }
    }

    /// Takes the open transaction back, and goes on.
    pub fn rollback(&mut self) {
        self.disk.rollback();
        self.follow_ups.begin();
        self.events.clear();
        self.gone.clear();
        self.lease_changes.clear();
        self.cursor = self.head.0;
    }

    /// Opens what is on disk, with nothing in memory: the start after a crash, or after a proper end.
    pub fn restart(&mut self) {
        self.rollback();
        self.fuse = None;
        let last_job = self.disk.jobs.iter().next_back().map_or(0, |job| job.no.0);
        let last_tombstone = self.disk.tombstones.iter().next_back().map_or(0, |(no, _)| no.0);
        let mut last = last_job.max(last_tombstone).max(self.disk.meta(Meta::LastDropped));
        if self.has(Flaw::NumbersFromClock) {
            last = 0;
        }
        self.mint = IdMint::after(JobNo(last));
        self.rng = StdRng::seed_from_u64(self.setup.seed);
        self.tick = last >> 15;
        let newest = self.disk.feed.iter().next_back().map_or(0, |(cursor, _)| *cursor);
        self.cursor = newest.max(self.disk.meta(Meta::Floor));
        self.head = Cursor(self.cursor);
        self.resume_leases();
    }

    /// Every running lease gets its full length again: downtime is not the worker's fault.
    fn resume_leases(&mut self) {
        let at = self.lease_clock();
        if !self.has(Flaw::RestartWithoutGrace) {
            self.leases = Leases::default();
        }
        for job in self.disk.jobs.iter().filter(|job| job.state == State::Running) {
            if self.leases.worker(job.lease_ref()).is_some() {
                continue;
            }
            let events = self.disk.events.range((job.no, 0)..=(job.no, u32::MAX)).rev();
            let worker = events.map(|(_, event)| event).find_map(|event| match &event.data {
                EventData::Started { worker } if event.attempt == job.attempt => Some(worker.clone()),
                _ => None,
            });
            let elapsed = job.started_at.map_or(0, |at| self.now.since(at)).max(0);
            self.leases.start(job, worker.unwrap_or_default(), at, elapsed);
        }
    }

    /// Extends a lease; answers its length and whether its run is asked to stop, or `None` when it is over.
    pub fn renew(&mut self, lease: LeaseRef, ttl: Option<Millis>) -> Option<(Millis, bool)> {
        self.leases.renew(lease, ttl, self.lease_clock())
    }

    /// Runs whose lease or time is over.
    pub fn overdue(&self) -> Vec<(LeaseRef, Overdue)> {
        self.leases.overdue(self.lease_clock())
    }

    fn lease_clock(&self) -> Reading {
        if self.has(Flaw::LeaseByWallClock) {
            return self.now.0.into();
        }
        if self.has(Flaw::TimeoutStandsStill) {
            return (self.ticks - self.idle).into();
        }
        let idle = if self.has(Flaw::StandstillCounts) { 0 } else { self.idle };
        Reading { idle, ..self.ticks.into() }
    }

    /// Calls a rule with the time and randomness of this moment.
    fn decide<T>(&mut self, rule: impl FnOnce(&mut Moment<'_>) -> T) -> T {
        rule(&mut self.moment().0)
    }

    fn moment(&mut self) -> (Moment<'_>, &mut IdMint) {
        self.tick = self.tick.max(self.now.0);
        let follow = self.follow_ups.rule();
        (Moment { now: self.now, tick: self.tick, rng: &mut self.rng, follow }, &mut self.mint)
    }
}
