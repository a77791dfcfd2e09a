//! The mutants of what the server takes and answers over HTTP.

use super::mutant::{Edit, Killer, Mutant};

const PAGES: &[&str] = &["test", "-p", "raincheck", "--test", "it", "pages"];
const GREEDY: &[&str] = &["test", "-p", "raincheck", "--test", "it", "greedy"];
const GONE: &[&str] = &["test", "-p", "raincheck", "--test", "it", "gone"];
const DRAIN: &[&str] = &["test", "-p", "raincheck", "--test", "it", "http::drain"];
const READERS: &[&str] = &["test", "-p", "raincheck", "--test", "it", "http::readers"];
const METRICS: &[&str] = &["test", "-p", "raincheck", "--test", "it", "http::metrics"];
const NODES: &[&str] = &["test", "-p", "raincheck", "--test", "it", "nodes::what_was_done"];
const WORK: &[&str] = &["test", "-p", "raincheck", "--test", "it", "http::work"];
const LOST: &[&str] = &["test", "-p", "raincheck", "--test", "it", "failover::lost"];

/// Those that a worker or a reader would be misled by.
pub const ON_THE_WIRE: &[Mutant] = &[
    Mutant {
        name: "histogram-without-an-end",
        fault: "the last bucket of a histogram has an end, so that no quantile can be worked out",
        edits: &[Edit {
            file: "raincheck-http/src/metrics/histogram.rs",
            from: "chain(once(f64::INFINITY))",
            to: "chain(once(f64::MAX))",
        }],
        killer: Killer::Tests(METRICS),
    },
    Mutant {
        name: "wait-counted-twice",
        fault: "a lease that is answered again is counted as one more wait",
        edits: &[Edit {
            file: "raincheck-engine/src/lease.rs",
            from: "filter(|started| *started >= since)",
            to: "filter(|started| *started >= since || true)",
        }],
        killer: Killer::Tests(METRICS),
    },
    Mutant {
        name: "nodes-count-each-other",
        fault: "a node counts what other nodes did as well",
        edits: &[Edit {
            file: "raincheck-store/src/postgres/feed/tail.rs",
            from: "is_own: node == reader",
            to: "is_own: node > 0 || node == reader",
        }],
        killer: Killer::Tests(NODES),
    },
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
    Mutant {
        name: "lists-without-bound",
        fault: "a list is read to its end before its elements are counted",
        edits: &[Edit {
            file: "raincheck-http/src/wire/read.rs",
            from: "while all.len() < MOST {",
            to: "while all.len() < usize::MAX {",
        }],
        killer: Killer::Campaign("greedy-caller", 1),
    },
    Mutant {
        name: "bodies-without-room",
        fault: "bodies that are under way take next to nothing of the room there is for them",
        edits: &[Edit {
            file: "raincheck-http/src/room.rs",
            from: "u32::try_from(size.div_ceil(UNIT)).map_err",
            to: "u32::try_from(size / UNIT / UNIT).map_err",
        }],
        killer: Killer::Campaign("greedy-caller", 1),
    },
    Mutant {
        name: "unread-megabytes",
        fault: "the system takes megabytes for somebody who reads nothing",
        edits: &[Edit {
            file: "raincheck-http/src/serve.rs",
            from: "set_tcp_notsent_lowat(UNSENT_BYTES)",
            to: "set_tcp_notsent_lowat(UNSENT_BYTES << 9)",
        }],
        killer: Killer::Tests(GREEDY),
    },
    Mutant {
        name: "half-is-whole",
        fault: "who closes half of its connection is taken for gone",
        edits: &[Edit { file: "raincheck-http/src/accept.rs", from: ".half_close(true)", to: ".half_close(false)" }],
        killer: Killer::Tests(GONE),
    },
    Mutant {
        name: "escape-off",
        fault: "one cell of the job's page shows text unescaped",
        edits: &[Edit {
            file: "raincheck-http/src/pages/job.rs",
            from: "\"<dt>{name}</dt><dd{id}>{}</dd>\", escape(value))",
            to: "\"<dt>{name}</dt><dd{id}>{}</dd>\", value)",
        }],
        killer: Killer::Tests(PAGES),
    },
    Mutant {
        name: "drain-hears-no-ends",
        fault: "a server that is told to stop does not hear how the runs of its workers end",
        edits: &[Edit {
            file: "raincheck/src/cli/serve/server.rs",
            from: "timeout_at(until, self.engine.runs_over())",
            to: "timeout_at(until, std::future::ready(()))",
        }],
        killer: Killer::Tests(DRAIN),
    },
];
