//! A world in one thread: clients, workers and the sweep talk to a server over a network that loses and reorders,
//! and everything random comes from one seed.

mod actors;
pub mod ask;
mod client;
mod drain;
mod network;
mod plan;
mod reader;
mod server;
mod tally;
mod worker;

use std::collections::VecDeque;

use raincheck_core::interpreter::Following;
use raincheck_core::{Command, Cursor, JobId, JobNo, LeaseRef, Millis, Outcome, Overdue, Settle, Timestamp, Trim};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::check::{Verdict, Violation};
use crate::model::Model;
use crate::{Flaw, Setup};
use actors::{Client, Reader, Worker};
use network::{Answer, From, Request};
pub use plan::Plan;
pub use server::{Fate, Luck, Server, Step};
pub use tally::Tally;

/// When every world begins.
pub const BEGIN: Timestamp = Timestamp(1_760_000_000_000);

const CLIENTS: usize = 8;
const WORKERS: usize = 6;
const READERS: usize = 2;
/// Operations between two scans of everything.
const SCAN_EVERY: u64 = 2_000;
/// Operations between two times of calm, in which every job must end.
const DRAIN_EVERY: u64 = 20_000;
/// Operations between two standstills of the server.
const STAND_STILL_EVERY: u64 = 300;
/// Most requests in one transaction.
const BATCH: usize = 6;

/// One world.
pub struct Sim {
    rng: StdRng,
    plan: Plan,
    setup: Setup,
    server: Server,
    flight: Vec<Request>,
    next_id: u64,
    clients: Vec<Client>,
    workers: Vec<Worker>,
    readers: Vec<Reader>,
    known: VecDeque<(JobNo, JobId)>,
    ghosts: Vec<LeaseRef>,
    labels: u64,
    asks: u64,
    next_scan: u64,
    next_drain: u64,
    next_stand: u64,
}

/// How a world went wrong.
#[derive(Debug)]
pub struct Failure {
    /// Shows it again.
    pub seed: u64,
    /// The operation at which it was seen.
    pub op: u64,
    /// The broken promise.
    pub violation: Violation,
    /// The last operations that have to do with it.
    pub story: Vec<String>,
}

impl Sim {
    /// A world of this seed, whose store has a flaw or none.
    pub fn new(seed: u64, flaw: Option<Flaw>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let plan = Plan::draw(&mut rng);
        Sim::of(seed, rng, plan, flaw)
    }

    /// A world that another store can follow step by step: see [`Sim::take_trace`].
    pub fn traced(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        // Another store cannot be told to be out of space at will, nor to stand still; how much it takes for an event is its own.
        let plan = Plan { refuse: 0, trims: false, ..Plan::draw(&mut rng) };
        let mut sim = Sim::of(seed, rng, plan, None);
        sim.server.trace = Some(Vec::new());
        sim.next_stand = u64::MAX;
        sim
    }

    fn of(seed: u64, rng: StdRng, plan: Plan, flaw: Option<Flaw>) -> Self {
        let Plan { max_queued, max_in_all, tombstone, feed, rounds, most, .. } = plan;
        let following = Following { rule: Some(ask::follows), rounds, most };
        let setup = Setup { seed, max_queued, max_in_all, tombstone, feed, following, flaw };
        let mut store = Model::new(setup.clone(), BEGIN);
        store.kind_caps.extend(plan.kind_cap.map(|cap| (ask::name("x"), cap)));
        Sim {
            rng,
            plan,
            server: Server::new(store, &setup),
            setup,
            flight: Vec::new(),
            next_id: 0,
            clients: (0..CLIENTS).map(|_| Client::default()).collect(),
            workers: (0..WORKERS).map(|_| Worker::default()).collect(),
            readers: (0..READERS).map(|_| Reader::default()).collect(),
            known: VecDeque::new(),
            ghosts: Vec::new(),
            labels: 0,
            asks: 0,
            next_scan: SCAN_EVERY,
            next_drain: DRAIN_EVERY,
            next_stand: STAND_STILL_EVERY,
        }
    }

    /// Runs a whole world of about so many operations, ending in a calm in which every job ends.
    pub fn run(seed: u64, ops: u64, flaw: Option<Flaw>) -> Result<(u64, Tally), Box<Failure>> {
        let mut sim = Sim::new(seed, flaw);
        let mut verdict = Ok(());
        while verdict.is_ok() && sim.server.ops < ops {
            verdict = sim.step();
        }
        match verdict.and_then(|()| sim.drain()) {
            Ok(()) => Ok((sim.server.ops, sim.server.tally)),
            Err(violation) => {
                let story = sim.server.story(&violation, 30);
                Err(Box::new(Failure { seed, op: sim.server.ops, violation, story }))
            }
        }
    }

    /// How its store was opened.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Operations so far.
    pub fn ops(&self) -> u64 {
        self.server.ops
    }

    /// The simulated store.
    pub fn store(&self) -> &Model {
        &self.server.store
    }

    /// What happened to the store since the last call.
    pub fn take_trace(&mut self) -> Vec<Step> {
        self.server.trace.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Something happens.
    pub fn step(&mut self) -> Verdict {
        match self.rng.random_range(0..100) {
            0..24 => {
                let who = self.rng.random_range(0..CLIENTS);
                self.client_acts(who)?;
            }
            24..54 => {
                let who = self.rng.random_range(0..WORKERS);
                self.worker_acts(who)?;
            }
            54..78 => self.serve()?,
            78..85 => self.sweep()?,
            85..88 => {
                let who = self.rng.random_range(0..READERS);
                self.reader_reads(who)?;
            }
            88..98 => {
                let by = self.rng.random_range(0..self.plan.pass);
                self.server.pass(by);
            }
            _ => self.misfortune()?,
        }
        if self.server.ops >= self.next_scan {
            self.next_scan = self.server.ops + SCAN_EVERY;
            self.server.op("scans");
            self.server.check.scan(&self.server.store)?;
        }
        if self.server.ops >= self.next_stand {
            self.next_stand = self.server.ops + STAND_STILL_EVERY;
            // As long as some lease or time limit, or well over.
            self.server.stand_still((self.server.ops * 7_919 % 40_000) as Millis);
        }
        if self.server.ops >= self.next_drain {
            self.drain()?;
            self.next_drain = self.server.ops + DRAIN_EVERY;
        }
        Ok(())
    }

    fn chance(&mut self, of_ten_thousand: u32) -> bool {
        self.rng.random_ratio(of_ten_thousand, 10_000)
    }

    fn send(&mut self, from: From, commands: Vec<Command>) -> u64 {
        self.next_id += 1;
        self.flight.push(Request { id: self.next_id, from, commands });
        self.next_id
    }

    /// The server takes what has arrived, in whatever order, into one transaction.
    fn serve(&mut self) -> Verdict {
        let mut batch = Vec::new();
        for _ in 0..self.rng.random_range(1..=BATCH) {
            if self.flight.is_empty() {
                break;
            }
            let at = self.rng.random_range(0..self.flight.len());
            batch.push(self.flight.swap_remove(at));
        }
        // Leases last, so that they see everything queued in the same transaction.
        batch.sort_by_key(|request| matches!(request.commands[..], [Command::Lease(_)]));
        if batch.is_empty() {
            return Ok(());
        }
        let luck = Luck {
            fuse: self.chance(self.plan.crash).then(|| self.rng.random_range(0..30)),
            unknown_commit: self.chance(self.plan.unknown_commit).then(|| self.rng.random()),
            refuse: self.chance(self.plan.refuse),
        };
        let fate = self.server.transact(batch.iter().map(|request| request.commands.clone()).collect(), luck)?;
        match luck.unknown_commit {
            Some(true) if fate.crashed => self.server.op("fault: unknown commit, applied"),
            Some(false) if fate.crashed => self.server.op("fault: unknown commit, lost"),
            _ if fate.crashed => self.server.op("fault: crash in a transaction"),
            _ if fate.refused => self.server.op("fault: no space"),
            _ => {}
        }
        for (request, replies) in batch.into_iter().zip(fate.answers) {
            let answer = match replies {
                _ if fate.refused => Answer::Nothing,
                Some(_) if self.chance(self.plan.lose_answer) => {
                    self.server.tally.count("fault: answer lost");
                    Answer::Unknown
                }
                Some(replies) => Answer::Replied(replies),
                None => Answer::Unknown,
            };
            self.hear(request, answer);
        }
        if fate.crashed { self.crash() } else { Ok(()) }
    }

    fn hear(&mut self, request: Request, answer: Answer) {
        if let Answer::Replied(replies) = &answer {
            for (command, reply) in request.commands.iter().zip(replies) {
                self.server.check.answered(command, reply);
            }
        }
        let waits = |waiting: Option<u64>| waiting == Some(request.id);
        match (request.from, &request.commands[..]) {
            (From::Client(who), [command]) if waits(self.clients[who].waiting) => {
                self.client_hears(who, command, answer);
            }
            (From::Worker(who), [command]) if waits(self.workers[who].waiting) => {
                self.worker_hears(who, command, answer);
            }
            // Nobody waits for it any more.
            _ => {}
        }
    }

    /// The server dies: nobody hears of what is on its way, and some time later it is there again.
    fn crash(&mut self) -> Verdict {
        for request in std::mem::take(&mut self.flight) {
            self.hear(request, Answer::Unknown);
        }
        if self.rng.random_bool(0.3) {
            let by = self.rng.random_range(0..60_000);
            self.server.pass(by);
        }
        self.server.restart()
    }

    /// What nobody asks for and still has to happen. Its commands travel too, so they may be late.
    fn sweep(&mut self) -> Verdict {
        let some = self.rng.random_range(1..20);
        let commands = match self.rng.random_range(0..if self.plan.trims { 13 } else { 10 }) {
            0..4 => settle_overdue(&self.server)?.into_iter().take(some).collect(),
            4..7 => vec![Command::CatchUp(some), Command::Promote(some), Command::Expire(some)],
            7..9 => vec![Command::PurgeExpired(some)],
            9 => vec![Command::DropTombstones(some)],
            _ => {
                let slowest = self.readers.iter().map(Reader::after).min();
                let read = slowest.filter(|_| self.rng.random()).unwrap_or(Cursor(i64::MAX));
                vec![Command::Trim(Trim { limit: some * 20, read })]
            }
        };
        if !commands.is_empty() {
            self.send(From::Sweep, commands);
        }
        Ok(())
    }

    fn misfortune(&mut self) -> Verdict {
        match self.rng.random_range(0..4) {
            0 if self.chance(self.plan.jump * 20) => {
                let most = if self.rng.random_bool(0.1) { 26 * 3_600_000 } else { 20_000 };
                let by = self.rng.random_range(-most..most);
                self.server.jump(by);
            }
            1 if self.chance(self.plan.crash) => {
                self.server.op("fault: crash between transactions");
                self.crash()?;
            }
            2 if self.chance(self.plan.lose_answer) && !self.flight.is_empty() => {
                self.server.op("fault: request lost");
                let at = self.rng.random_range(0..self.flight.len());
                let request = self.flight.swap_remove(at);
                self.hear(request, Answer::Unknown);
            }
            // A sweeper that is wrong about some run: it must not matter.
            _ => {
                let leases = self.workers.iter().flat_map(|worker| &worker.runs).map(|run| run.lease);
                let leases: Vec<_> = leases.chain(self.ghosts.iter().copied()).collect();
                if let Some(lease) = ask::pick(&mut self.rng, &leases) {
                    let outcome = if self.rng.random() { Outcome::Lost } else { Outcome::TimedOut };
                    self.send(From::Sweep, vec![Command::Settle(Settle { lease, outcome })]);
                }
            }
        }
        Ok(())
    }
}

/// What the sweep settles now.
fn settle_overdue(server: &Server) -> Result<Vec<Command>, Violation> {
    let over = server.store.overdue();
    server.check.looked_for_overdue(&over, &server.store)?;
    let ends = over.into_iter().map(|(lease, why)| {
        let outcome = match why {
            Overdue::Lost => Outcome::Lost,
            Overdue::TimedOut => Outcome::TimedOut,
        };
        Command::Settle(Settle { lease, outcome })
    });
    Ok(ends.collect())
}
