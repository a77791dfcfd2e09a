//! The whole feed: every reader saw it in the order in which it stands, cursors differ, what was seen of a job stays
//! true, and at no place of it does a bounded queue run more than it may.

use std::collections::{HashMap, HashSet};

use super::store::Store;
use crate::log::Log;
use crate::queues::NARROW;
use crate::wire::State;

pub fn check(log: &Log, store: &Store) {
    for (reader, seen) in log.read(|records| records.readers.clone()).iter().enumerate() {
        let feed = store.feed.iter().map(|event| (event.job, event.seq));
        if !feed.clone().eq(seen.iter().copied()) {
            let at = feed.zip(seen).take_while(|(is, was)| is == *was).count();
            let text = format!(
                "reader {reader} saw {} events, the feed has {}; they part at {at}: {:?} seen, {:?} there",
                seen.len(),
                store.feed.len(),
                seen.get(at),
                store.feed.get(at)
            );
            log.complain("feed", text);
        }
    }
    let cursors: HashSet<&str> = store.feed.iter().map(|event| event.cursor.as_str()).collect();
    if cursors.len() != store.feed.len() {
        log.complain("feed", format!("{} events have {} cursors", store.feed.len(), cursors.len()));
    }
    for (job, seq, state) in log.read(|records| records.glimpses.clone()) {
        let events = store.histories.get(&job).map_or(&[][..], Vec::as_slice);
        let then = (seq as usize).checked_sub(1).and_then(|at| events.get(at)).map(|place| store.feed[*place].state);
        if then != Some(state) {
            log.complain("lost", format!("{job} was seen as {state:?} at number {seq}; there it is {then:?}"));
        }
    }
    let mut states = HashMap::new();
    let mut running = 0_u64;
    for event in store.feed.iter().filter(|event| event.queue == "narrow") {
        let before = states.insert(event.job, event.state);
        running += u64::from(event.state == State::Running);
        running -= u64::from(before == Some(State::Running));
        if running > NARROW {
            log.complain("limit", format!("{running} jobs of `narrow` ran at once at {}", event.cursor));
        }
    }
}
