use crate::command::Change;
use crate::event::Event;
use crate::job::Job;

/// Looks at what a decision wants written before it is: a job leaves no final state, takes only the arrows of the
/// drawing, and its events are numbered on without a hole, the last one saying what the job says. Answers the number of
/// the job's last event before these, or what is wrong; a store then writes nothing.
pub fn check_changes(changes: &[Change]) -> Result<u32, &'static str> {
    let events =
        || changes.iter().filter_map(|change| if let Change::Event(event) = change { Some(event) } else { None });
    if events().zip(events().skip(1)).any(|(one, next)| next.seq != one.seq + 1) {
        return Err("events are not numbered in order");
    }
    let (first, last) = (events().next(), events().last());
    let mut before = first.map_or(0, |event| event.seq.wrapping_sub(1));
    for change in changes {
        match change {
            Change::Insert(job, _) => {
                agrees(job, last)?;
                if before != 0 {
                    return Err("a new job does not begin with event 1");
                }
            }
            Change::Update { state, job, .. } => {
                agrees(job, last)?;
                if state.is_final() {
                    return Err("a final state is left");
                }
                if *state != job.state && !state.may_become(job.state) {
                    return Err("there is no such step");
                }
                if first.is_none() {
                    before = job.seq;
                }
            }
            _ => {}
        }
    }
    Ok(before)
}

fn agrees(job: &Job, last: Option<&Event>) -> Result<(), &'static str> {
    let says = |event: &Event| (event.no, event.seq, event.state, event.attempt);
    match last {
        Some(event) if says(event) != (job.no, job.seq, job.state, job.attempt) => Err("job and event disagree"),
        None if job.state.is_final() => Err("a job ends without an event"),
        _ => Ok(()),
    }
}
