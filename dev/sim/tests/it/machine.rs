//! The rules on the simulated store beside the reference: what differs is shrunk to the few moves that show it.

use proptest::prelude::ProptestConfig;
use proptest_state_machine::{StateMachineTest, prop_state_machine};
use raincheck_core::{
    Cancel, Command, Failure, FailureCode, JobNo, LeaseJobs, LeaseRef, NewJob, Outcome, Refusal, Reply, Settle, State,
    Submitted,
};
use raincheck_sim::{BEGIN, Luck, Model, Server, Setup, ask};

use crate::reference::{ATTEMPTS, End, Move, Reference, Status, TTL};

/// A server, and the number of each job in the order in which they were made.
struct System {
    server: Server,
    numbers: Vec<JobNo>,
    results: u64,
}

impl System {
    fn one(&mut self, command: Command) -> Reply {
        let fate = self.server.transact(vec![vec![command.clone()]], Luck::default()).expect("kept promises");
        let reply = fate.answers.into_iter().flatten().flatten().next().expect("an answer");
        self.server.check.answered(&command, &reply);
        reply
    }

    fn run(&self, reference: &Reference, job: usize) -> Option<LeaseRef> {
        let at = reference.which(job)?;
        let no = self.numbers[at];
        Some(LeaseRef { no, attempt: self.server.store.job(no).expect("it is there").attempt })
    }

    fn outcome(&mut self, end: End) -> Outcome {
        self.results += 1;
        match end {
            End::Complete => Outcome::Complete(ask::content(self.results)),
            End::Fail => {
                let failure = Failure::of(FailureCode::Failed, "no");
                Outcome::Fail { failure, retryable: true, retry_after: Some(0) }
            }
            End::Release => Outcome::Release { delay: 0 },
        }
    }

    fn submit(&mut self, key: Option<u8>, content: u8) {
        let mut new = NewJob::new(ask::name("a"), ask::name("x"));
        new.spec.key = key.map(|key| key.to_string().into());
        new.fingerprint = ask::digest(content.into());
        new.spec.retry.max_attempts = ATTEMPTS;
        match self.one(Command::Submit(vec![new])) {
            Reply::Submitted(got) => {
                if let [Submitted::New(job)] = &got[..] {
                    self.numbers.push(job.no);
                }
            }
            Reply::Refused(0, Refusal::KeyReused(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

struct Rules;

impl StateMachineTest for Rules {
    type SystemUnderTest = System;
    type Reference = Reference;

    fn init_test(_: &Reference) -> System {
        let setup = Setup::new(1);
        let server = Server::new(Model::new(setup.clone(), BEGIN), &setup);
        System { server, numbers: Vec::new(), results: 0 }
    }

    fn apply(mut system: System, reference: &Reference, step: Move) -> System {
        match step {
            Move::Submit { key, content } => system.submit(key, content),
            Move::Lease => {
                let kinds = vec![ask::name("x")];
                let ask = LeaseJobs {
                    worker: "w".into(),
                    queues: Vec::new(),
                    kinds,
                    patterns: Vec::new(),
                    max: 1,
                    ttl: TTL,
                    request_id: None,
                };
                system.one(Command::Lease(ask));
            }
            Move::Finish { job, late, end } => {
                if let Some(lease) = system.run(reference, job) {
                    let attempt = lease.attempt.wrapping_sub(u32::from(late));
                    let outcome = system.outcome(end);
                    system.one(Command::Settle(Settle { lease: LeaseRef { attempt, ..lease }, outcome }));
                }
            }
            Move::Beat { job } => {
                if let Some(lease) = system.run(reference, job) {
                    system.server.renew(lease, None).expect("kept promises");
                }
            }
            Move::Lose { job } => {
                if let Some(lease) = system.run(reference, job) {
                    system.one(Command::Settle(Settle { lease, outcome: Outcome::Lost }));
                }
            }
            Move::Cancel { job } => {
                if let Some(lease) = system.run(reference, job) {
                    system.one(Command::Cancel(Cancel { no: lease.no, force: false, seq: None }));
                }
            }
            Move::Pass { by } => system.server.pass(by),
            Move::Jump { by } => system.server.jump(by),
            Move::Restart => system.server.restart().expect("kept promises"),
        }
        system
    }

    fn check_invariants(system: &System, reference: &Reference) {
        assert_eq!(system.numbers.len(), reference.jobs.len(), "one job per key, one for each submit without");
        for (no, expected) in system.numbers.iter().zip(&reference.jobs) {
            let job = system.server.store.job(*no).expect("it is there");
            let status = match job.state {
                State::Queued => Status::Queued,
                State::Running => Status::Running,
                State::Succeeded => Status::Succeeded,
                State::Failed => Status::Failed,
                State::Canceled => Status::Canceled,
                State::Scheduled | State::Blocked => panic!("nothing waits for a time here: {job:?}"),
            };
            let there = (status, job.attempt, job.failures, job.losses, job.cancel_requested);
            let expected = (expected.status, expected.attempt, expected.failures, expected.losses, expected.stopping);
            assert_eq!(there, expected, "{job:?}");
        }
        system.server.check.scan(&system.server.store).expect("kept promises");
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_keep_the_contract(sequential 1..60 => Rules);
}
