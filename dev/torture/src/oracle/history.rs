//! Each job's own events: numbered densely, one allowed step after the other, attempts dense, exactly one final event,
//! last; and they tell the state that the job is in.

use super::store::Store;
use crate::log::Log;
use crate::wire::{Event, Job, State, What};

pub fn check(log: &Log, store: &Store) {
    for (id, job) in &store.jobs {
        let places = store.histories.get(id).map_or(&[][..], Vec::as_slice);
        let events: Vec<&Event> = places.iter().map(|place| &store.feed[*place]).collect();
        if let Err(why) = walk(job, &events) {
            let events: Vec<String> =
                events.iter().map(|it| format!("{} {:?} {:?}", it.seq, it.what, it.attempt)).collect();
            log.complain("history", format!("{id}: {why}: {}", events.join(", ")));
        }
    }
    for id in store.histories.keys().filter(|id| !store.jobs.contains_key(id)) {
        log.complain("lost", format!("{id} has events and is not there"));
    }
}

fn walk(job: &Job, events: &[&Event]) -> Result<(), String> {
    let (mut state, mut attempt, mut losses) = (None, 0, 0);
    for (index, event) in events.iter().enumerate() {
        if event.seq as usize != index + 1 {
            return Err(format!("number {} comes as the {}th", event.seq, index + 1));
        }
        let running = state == Some(State::Running);
        let allowed = match event.what {
            What::Created => state.is_none(),
            What::Queued => matches!(state, Some(State::Scheduled | State::Blocked)),
            What::Blocked => matches!(state, Some(State::Scheduled)),
            What::Started => state == Some(State::Queued) && event.attempt == attempt + 1,
            What::Progress | What::CancelRequested => running && event.state == State::Running,
            What::Retrying | What::Lost | What::Released | What::Succeeded => running,
            What::Failed | What::Canceled => state.is_some_and(|state| !state.is_final()),
        };
        if !allowed || event.what != What::Started && event.attempt != attempt {
            return Err(format!(
                "{:?} of attempt {} comes after {state:?} of attempt {attempt}",
                event.what, event.attempt
            ));
        }
        let lost = event.data.problem.as_ref().is_some_and(|problem| problem.slug() == "job-lost");
        losses = match event.what {
            What::Lost => losses + 1,
            What::Failed if lost && losses != 2 => return Err(format!("given up as lost after {losses} losses")),
            What::Retrying | What::Released => 0,
            _ => losses,
        };
        (state, attempt) = (Some(event.state), event.attempt);
    }
    let finals = events.iter().filter(|event| event.state.is_final()).count();
    if finals != 1 || !state.is_some_and(State::is_final) {
        return Err(format!("{finals} final events, the last state is {state:?}"));
    }
    if (Some(job.state), job.attempt, job.seq as usize) != (state, attempt, events.len()) {
        return Err(format!("the job says {:?}, attempt {}, number {}", job.state, job.attempt, job.seq));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(steps: &[(&str, &str, u32)]) -> Result<(), String> {
        let events: Vec<Event> = steps
            .iter()
            .enumerate()
            .map(|(index, (what, state, attempt))| {
                let id = uuid::Uuid::nil();
                let event = serde_json::json!({"seq": index + 1, "job": id, "queue": "q", "type": what, "state": state,
                    "attempt": attempt, "cursor": index.to_string(), "data": {"problem": {"type": "/problems/job-lost"}}});
                serde_json::from_value(event).unwrap()
            })
            .collect();
        let (_, state, attempt) = steps.last().unwrap();
        let job = serde_json::json!({"id": uuid::Uuid::nil(), "kind": "k", "queue": "q", "label": null, "key": null,
            "state": state, "attempt": attempt, "seq": steps.len(), "input": null, "result": null});
        walk(&serde_json::from_value(job).unwrap(), &events.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_lawful_life_passes_and_each_fault_is_seen() {
        let start = [("created", "queued", 0), ("started", "running", 1)];
        let with = |more: &[(&'static str, &'static str, u32)]| history(&[&start[..], more].concat());
        let lost = [("lost", "queued", 1), ("started", "running", 2), ("lost", "queued", 2), ("started", "running", 3)];
        with(&[("progress", "running", 1), ("succeeded", "succeeded", 1)]).unwrap();
        with(&[&lost[..], &[("failed", "failed", 3)]].concat()).unwrap();
        for (fault, says) in [
            (&[("succeeded", "succeeded", 1), ("canceled", "canceled", 1)][..], "Canceled of attempt 1 comes after"),
            (&[("lost", "queued", 1)], "0 final events"),
            (&[("released", "queued", 1), ("started", "running", 3)], "Started of attempt 3 comes after"),
            (&[("failed", "failed", 1)], "given up as lost after 0 losses"),
            (&[("succeeded", "succeeded", 2)], "Succeeded of attempt 2"),
        ] {
            let said = with(fault).unwrap_err();
            assert!(said.contains(says), "{fault:?}: {said}");
        }
    }
}
