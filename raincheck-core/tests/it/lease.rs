//! Which ready jobs a request for work is handed.

use raincheck_core::interpreter::{Offered, Room, Serving};
use raincheck_core::{Job, JobNo, LeaseJobs, State, limits};

use crate::make::{NOW, at_now, job, name};

fn request(max: usize) -> LeaseJobs {
    LeaseJobs {
        worker: "w".into(),
        queues: Vec::new(),
        kinds: vec![name("k")],
        patterns: Vec::new(),
        max,
        ttl: 1_000,
        request_id: None,
    }
}

fn ready(no: i64, queue: &str, is_late: bool) -> Job {
    Job { no: JobNo(no), queue: name(queue), start_by: is_late.then_some(NOW), ..job(State::Queued) }
}

/// What becomes of jobs that are offered in one round: `-` stays, `x` is too late, `!` is handed out.
fn round(serving: &mut Serving<'_>, room: &mut Room, inputs: &mut usize, jobs: &[Job], size: usize) -> String {
    serving.begin_round();
    let offer = |job: &Job| match at_now(|moment| serving.offer(job.clone(), room, *inputs, moment)) {
        Offered::Kept(kept) => {
            assert_eq!(kept, *job);
            '-'
        }
        Offered::Late(changes) => {
            assert!(!changes.is_empty());
            'x'
        }
        Offered::Leased(leased, _) => {
            assert_eq!((leased.state, leased.attempt, leased.ttl), (State::Running, job.attempt + 1, 1_000));
            *inputs += size;
            '!'
        }
    };
    jobs.iter().map(offer).collect()
}

#[test]
fn a_round_looks_at_no_more_than_is_wanted_and_late_jobs_make_another_one() {
    let request = request(3);
    let (mut serving, mut room, mut inputs) = (Serving::new(&request, 0), Room::default(), 0);
    let jobs = [1, 2, 3, 4, 5].map(|no| ready(no, "q", no == 2));
    assert_eq!(round(&mut serving, &mut room, &mut inputs, &jobs, 0), "!x!--");
    assert!(serving.goes_on(inputs));
    assert_eq!(serving.begin_round(), 1);
    assert_eq!(round(&mut serving, &mut room, &mut inputs, &jobs[3..], 0), "!-");
    assert!(!serving.goes_on(inputs));
    assert_eq!(serving.begin_round(), 0);
}

#[test]
fn beyond_some_many_late_jobs_the_sweep_goes_on() {
    let request = request(limits::LEASE_JOBS + 1);
    let (mut serving, mut room, mut inputs) = (Serving::new(&request, 0), Room::default(), 0);
    let late: Vec<Job> = (0..limits::LEASE_JOBS as i64).map(|no| ready(no, "q", true)).collect();
    assert!(round(&mut serving, &mut room, &mut inputs, &late, 0).chars().all(|what| what == 'x'));
    assert!(serving.goes_on(inputs));
    assert_eq!(round(&mut serving, &mut room, &mut inputs, &late[..1], 0), "x");
    assert!(!serving.goes_on(inputs));
}

#[test]
fn caps_of_queues_and_kinds_hold_across_requests_and_what_does_not_fit_stays() {
    let request = request(9);
    let mut room = Room::default();
    assert_eq!((room.cap_queue(name("a"), 3, 2), room.cap_queue(name("b"), 1, 4)), (1, 0));
    assert_eq!(room.cap_kind(name("k"), 5, 2), 3);
    assert_eq!(["a", "b", "c"].map(|queue| room.of(&name(queue), &name("k"))), [1, 0, 3]);
    assert_eq!(room.of(&name("c"), &name("other")), u64::MAX);
    let jobs = ["a", "a", "b", "c", "c", "c"].map(|queue| ready(1, queue, false));
    let mut inputs = 0;
    assert_eq!(round(&mut Serving::new(&request, 0), &mut room, &mut inputs, &jobs, 0), "!--!!-");
    assert_eq!(round(&mut Serving::new(&request, 0), &mut room, &mut inputs, &jobs, 0), "------");
}

#[test]
fn inputs_end_a_request_and_whoever_comes_after_gets_one_job() {
    let request = request(9);
    let (mut room, jobs) = (Room::default(), [1, 2, 3].map(|no| ready(no, "q", false)));
    let mut inputs = 0;
    let half = limits::PAGE_BYTES / 2;
    assert_eq!(round(&mut Serving::new(&request, inputs), &mut room, &mut inputs, &jobs, half), "!!-");
    let mut inputs = limits::LEASED_BYTES;
    assert_eq!(round(&mut Serving::new(&request, inputs), &mut room, &mut inputs, &jobs, 1), "!--");
}
