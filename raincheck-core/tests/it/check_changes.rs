//! What must never be written, whichever rule asked for it.

use raincheck_core::decide::{self, check_changes};
use raincheck_core::{Change, Job, State};

use crate::make::{at_now, job};

fn promoted() -> Vec<Change> {
    at_now(|moment| decide::promote(job(State::Scheduled), moment)).1
}

fn update(changes: &mut [Change]) -> (&mut State, &mut Job) {
    let update = changes.iter_mut().find_map(|change| match change {
        Change::Update { state, job, .. } => Some((state, &mut **job)),
        _ => None,
    });
    update.expect("an update")
}

#[test]
fn what_a_rule_decides_is_allowed_and_follows_the_last_event() {
    assert_eq!(check_changes(&promoted()), Ok(job(State::Scheduled).seq));
    let (_, canceled) = at_now(|moment| decide::cancel(job(State::Queued), false, moment));
    assert_eq!(check_changes(&canceled), Ok(2));
    assert_eq!(check_changes(&[]), Ok(0));
}

#[test]
fn each_broken_promise_is_refused() {
    type Break = fn(&mut Vec<Change>);
    let breaks: [(&str, Break); 7] = [
        ("a final state is left", |changes| *update(changes).0 = State::Succeeded),
        ("there is no such step", |changes| {
            // No arrow leads from queued to scheduled.
            let (before, job) = update(changes);
            (*before, job.state) = (State::Queued, State::Scheduled);
            for change in changes {
                if let Change::Event(event) = change {
                    event.state = State::Scheduled;
                }
            }
        }),
        ("job and event disagree", |changes| update(changes).1.seq += 1),
        ("job and event disagree", |changes| update(changes).1.attempt += 1),
        ("job and event disagree", |changes| update(changes).1.state = State::Running),
        ("events are not numbered in order", |changes| {
            let event = changes.iter().find(|change| matches!(change, Change::Event(_))).cloned();
            changes.extend(event);
        }),
        ("a job ends without an event", |changes| {
            changes.retain(|change| !matches!(change, Change::Event(_)));
            update(changes).1.state = State::Failed;
        }),
    ];
    for (number, (says, break_it)) in breaks.into_iter().enumerate() {
        let mut changes = promoted();
        break_it(&mut changes);
        assert_eq!(check_changes(&changes), Err(says), "number {number}");
    }
}
