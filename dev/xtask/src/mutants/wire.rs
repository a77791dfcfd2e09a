//! The mutants of what clients and workers are told over HTTP.

use super::mutant::{Edit, Killer, Mutant};

const DRAIN: &[&str] = &["test", "-p", "raincheck", "--test", "it", "http::drain"];
const READERS: &[&str] = &["test", "-p", "raincheck", "--test", "it", "http::readers"];
const WORK: &[&str] = &["test", "-p", "raincheck", "--test", "it", "http::work"];
const LOST: &[&str] = &["test", "-p", "raincheck", "--test", "it", "failover::lost"];

/// Those that a worker or a reader would be misled by.
pub const ON_THE_WIRE: &[Mutant] = &[
    Mutant {
        name: "drain-cuts-appends",
        fault: "a drain is taken for the end of what a run appends",
        edits: &[Edit {
            file: "raincheck-http/src/leases/append.rs",
            from: "() = &mut drained => return Err(cut_off(end)),",
            to: "() = &mut drained => return Ok(end),",
        }],
        killer: Killer::Tests(DRAIN),
    },
    Mutant {
        name: "resumed-reader-led-past",
        fault: "a resumed stream leads a named reader past what it has missed",
        edits: &[Edit {
            file: "raincheck-http/src/watch/feed.rs",
            from: "last_seen.is_none() || matches!(from, Begin::Reader(..))",
            to: "last_seen.is_none()",
        }],
        killer: Killer::Tests(READERS),
    },
    Mutant {
        name: "end-is-purged",
        fault: "an end that was taken is answered 410 where the job is kept for no time",
        edits: &[Edit {
            file: "raincheck-http/src/answer.rs",
            from: "let record = app.engine.record(job.no).await?;",
            to: "let record = Some(app.job(job.id).await?);",
        }],
        killer: Killer::Tests(WORK),
    },
    Mutant {
        name: "cancel-tells-later-state",
        fault: "a cancel of a run is answered as done where the run has ended meanwhile by itself",
        edits: &[Edit {
            file: "raincheck-http/src/control.rs",
            from: "    if is_done {",
            to: "    if record.job.state.is_final() || is_done {",
        }],
        killer: Killer::Campaign("kill", 100),
    },
    Mutant {
        name: "gap-is-lag",
        fault: "numbers that no history gave out count as events that a reader is behind",
        edits: &[Edit {
            file: "raincheck-store/src/postgres/store.rs",
            from: "self.shared.history.gaps()",
            to: "Vec::new()",
        }],
        killer: Killer::Tests(LOST),
    },
];
