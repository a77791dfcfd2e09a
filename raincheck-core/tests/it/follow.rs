//! What follows from decisions: who names it, and how much of it goes into one transaction.

use proptest::prelude::*;
use raincheck_core::decide::Moment;
use raincheck_core::interpreter::{Fact, Facts, FollowUp, FollowUps, Following, Held, carry_out};
use raincheck_core::{Cancel, Change, Command, Job, JobNo, LeaseJobs, Outcome, Overdue, RetryPolicy, Settle, State};

use crate::make::{at_now, job, outcomes};

fn named(changes: &[Change]) -> Vec<FollowUp> {
    changes.iter().filter_map(|change| if let Change::FollowUp(it) = change { Some(*it) } else { None }).collect()
}

fn ends(changes: &[Change]) -> usize {
    changes.iter().filter(|change| matches!(change, Change::Update { job, .. } if job.state.is_final())).count()
}

#[test]
fn every_end_of_a_job_names_what_follows_and_nothing_else_does() {
    const THEN: FollowUp = FollowUp::RunNow(JobNo(3));
    let mut met = 0;
    for state in State::ALL {
        let job = Job { start_by: Some(crate::make::NOW), ..job(state) };
        let mut commands: Vec<Command> = outcomes()
            .into_iter()
            .map(|(_, outcome)| Command::Settle(Settle { lease: job.lease_ref(), outcome }))
            .collect();
        commands.push(Command::Cancel(Cancel { no: job.no, force: true, seq: None }));
        commands.extend([Command::RunNow(job.no, None), Command::Purge(job.no), Command::Expire(9)]);
        for command in commands {
            let overdue = match &command {
                Command::Settle(settle) if settle.outcome == Outcome::TimedOut => Overdue::TimedOut,
                _ => Overdue::Lost,
            };
            let facts = Facts {
                job: Fact::Here(job.clone()),
                lease: Fact::Here(Held { overdue: Some(overdue), worker: "w".into() }),
                recorded: Fact::Absent,
                retry: Fact::Here(RetryPolicy::default()),
                due: Fact::Here(vec![job.clone()]),
                ..Facts::default()
            };
            let decide = |follow| {
                let carry = |moment: &mut Moment<'_>| {
                    moment.follow = follow;
                    carry_out(command.clone(), facts.clone(), moment).expect("it knows all")
                };
                at_now(carry).changes
            };
            let changes = decide(Some(|_| Some(THEN)));
            assert_eq!(named(&changes), vec![THEN; ends(&changes)], "{command:?} of {state:?}");
            assert_eq!(named(&decide(Some(|_| None))), []);
            assert_eq!(named(&decide(None)), [], "no rule of production names any");
            met += ends(&changes);
        }
    }
    assert_eq!(met, 8, "ends by a worker, by a caller and by a sweep");
}

#[test]
fn what_is_stored_reads_back() {
    for follow_up in [FollowUp::RunNow(JobNo(5)), FollowUp::Cancel(JobNo(i64::MAX))] {
        let (what, no) = follow_up.parts();
        assert_eq!(FollowUp::of_parts(what.into(), no), Some(follow_up));
    }
    assert_eq!([-1, 2, 255].map(|what| FollowUp::of_parts(what, JobNo(5))), [None; 3]);
}

#[test]
fn a_run_of_leases_comes_after_what_the_commands_before_it_named() {
    let lease = || {
        Command::Lease(LeaseJobs {
            worker: "w".into(),
            queues: Vec::new(),
            kinds: Vec::new(),
            patterns: Vec::new(),
            max: 1,
            ttl: 1,
            request_id: None,
        })
    };
    let plain = || Command::RunNow(JobNo(1), None);
    let commands = [plain(), plain(), lease(), lease(), plain(), lease()];
    let mut follow_ups = FollowUps::default();
    let goes_before = commands.each_ref().map(|command| follow_ups.go_before(command));
    assert_eq!(goes_before, [false, false, true, false, false, true]);
    follow_ups.begin();
    assert!(follow_ups.go_before(&lease()), "the next transaction begins with none");
}

fn some(numbers: std::ops::Range<i64>) -> Vec<FollowUp> {
    numbers.map(|no| FollowUp::RunNow(JobNo(no))).collect()
}

#[test]
fn those_that_were_left_over_go_first() {
    let mut follow_ups = FollowUps::new(Following { rule: None, rounds: 3, most: 4 });
    assert_eq!([2, 9].map(|asked| follow_ups.room(asked)), [2, 4]);
    some(5..8).into_iter().for_each(|it| follow_ups.name(it));
    follow_ups.take_up(some(0..2));
    let round = follow_ups.next_round().expect("a round");
    assert_eq!(round, [some(0..2), some(5..7)].concat());
    assert_eq!(follow_ups.next_round(), None);
    follow_ups.leave(FollowUp::Cancel(JobNo(0)));
    assert_eq!(follow_ups.take_left(), [some(7..8), vec![FollowUp::Cancel(JobNo(0))]].concat());
    assert_eq!(follow_ups.take_left(), []);
}

proptest! {
    /// Each one is carried out or left over, once, in order; never more rounds or more in all than there may be.
    #[test]
    fn nothing_is_lost_and_bounds_hold(
        rounds in 0..5_usize,
        most in 0..8_usize,
        named in prop::collection::vec(0..6_i64, 0..8),
    ) {
        let mut follow_ups = FollowUps::new(Following { rule: None, rounds, most });
        let (mut next, mut carried, mut went) = (0, Vec::new(), 0);
        for count in named {
            some(next..next + count).into_iter().for_each(|it| follow_ups.name(it));
            next += count;
            if let Some(round) = follow_ups.next_round() {
                prop_assert!(!round.is_empty());
                carried.extend(round);
                went += 1;
            }
            prop_assert_eq!(follow_ups.next_round(), None);
        }
        prop_assert!(went <= rounds && carried.len() <= most);
        let left = follow_ups.take_left();
        prop_assert_eq!([carried.clone(), left.clone()].concat(), some(0..next));
        prop_assert!(left.is_empty() || carried.len() == most || went == rounds);
        follow_ups.begin();
        prop_assert_eq!(follow_ups.next_round(), None);
    }
}
