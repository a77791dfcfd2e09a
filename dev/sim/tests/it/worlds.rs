//! Whole worlds: those that once went wrong, some others, and those with a flaw.

use raincheck_sim::{Failure, Flaw, Sim, Tally};

const SEEDS: &str = include_str!("../../seeds.txt");

fn run(seed: u64, ops: u64) -> Tally {
    let outcome = |failure: Box<Failure>| {
        format!("seed {seed}, operation {}: {}\n{}", failure.op, failure.violation, failure.story.join("\n"))
    };
    Sim::run(seed, ops, None).map_err(outcome).unwrap_or_else(|story| panic!("{story}")).1
}

#[test]
fn worlds_that_once_went_wrong() {
    for line in SEEDS.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ').map_while(|word| word.parse().ok());
        let (Some(seed), Some(ops)) = (words.next(), words.next()) else { panic!("seed and operations: {line}") };
        run(seed, ops);
    }
}

/// A promise that is never put to the test is not shown.
#[test]
fn worlds_meet_everything() {
    let mut met = Tally::default();
    for seed in 0..20 {
        met.add(&run(seed, 4_000));
    }
    for what in [
        "answer: gone",
        "answer: lease lost",
        "answer: not now",
        "event: cancel requested",
        "event: canceled",
        "event: created",
        "event: failed",
        "event: failed, expired",
        "event: failed, poison",
        "event: failed, timeout",
        "event: lost",
        "event: progress",
        "event: queued",
        "event: released",
        "event: retrying",
        "event: started",
        "event: succeeded",
        "fault: answer lost",
        "fault: caller gave up",
        "fault: crash between transactions",
        "fault: crash in a transaction",
        "fault: late worker",
        "fault: no space",
        "fault: request lost",
        "fault: server stood still",
        "fault: unknown commit, applied",
        "fault: unknown commit, lost",
        "fault: wall clock set",
        "fault: worker gave up",
        "fault: worker stopped",
        "follow-up: carried out",
        "follow-up: caught up",
        "follow-up: refused",
        "object: made",
        "object: replaced",
        "object: other version",
        "object: deleted",
        "events trimmed",
        "purged: by hand",
        "purged: by retention",
        "reads: cursor too old",
        "refused: batch forgotten",
        "refused: id conflict",
        "refused: key reused",
        "refused: purged",
        "refused: queue full",
        "refused: request id reused",
        "refused: store full",
        "submit: asked again",
        "submit: cached",
        "submit: chosen id again",
        "submit: coalesced",
        "submit: replayed by batch",
        "submit: replayed by batch, purged",
        "submit: replayed by key",
        "submit: twice at once",
        "tombstones dropped",
    ] {
        assert!(met.of(what) > 0, "never met: {what}");
    }
}

/// The same seed is the same world.
#[test]
fn a_seed_says_all() {
    let outcome = |seed| run(seed, 3_000).iter().collect::<Vec<_>>();
    assert_eq!(outcome(7), outcome(7));
    assert_ne!(outcome(7), outcome(8));
}

#[test]
fn every_flaw_is_found() {
    for flaw in Flaw::ALL {
        let found = (0..60).find_map(|seed| Sim::run(seed, 4_000, Some(*flaw)).err());
        assert!(found.is_some(), "{flaw} was not found in {} operations", 60 * 4_000);
    }
}
