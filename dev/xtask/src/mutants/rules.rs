//! The mutants of the rules, and of who is woken by them.

use super::mutant::{Edit, Killer, Mutant};

const ENGINE: &[&str] = &["test", "-p", "raincheck-engine", "--lib", "dispatch"];
const STORE: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "sqlite::"];
const CORE: &[&str] = &["test", "-p", "raincheck-core"];

const PURGE: &str = "raincheck-store/src/sqlite/writer/purge.rs";
const STEADY: &str = "raincheck-core/src/steady.rs";
const SETTLE: &str = "raincheck-core/src/decide/settle.rs";

/// A fault that someone could write one day in the core or the engine.
pub const OF_RULES: &[Mutant] = &[
    Mutant {
        name: "objects-without-version",
        fault: "a named object is replaced whatever its version",
        edits: &[Edit {
            file: "raincheck-core/src/interpreter/object.rs",
            from: "    if !put.expected.holds(found.as_ref()) {",
            to: "    if put.expected == crate::Expected::Absent && found.is_some() {",
        }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "complete-without-attempt",
        fault: "a finish is accepted from any attempt of a running job",
        edits: &[Edit {
            file: SETTLE,
            from: "job.state != State::Running || job.attempt != attempt {\n        let same",
            to: "job.state != State::Running {\n        let same",
        }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "sweeper-without-deadline",
        fault: "the sweep ends a run although a heartbeat came since it looked",
        edits: &[Edit {
            file: "raincheck-core/src/interpreter/settle.rs",
            from: "if held.overdue != Some(overdue) {",
            to: "if held.overdue != Some(overdue) && overdue != Overdue::Lost {",
        }],
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "gap-not-granted",
        fault: "what the server slept through is taken for silence of its workers",
        edits: &[
            Edit {
                file: STEADY,
                from: "idle: beats.idle + gap, awake: 0 }",
                to: "idle: beats.idle, awake: Millis::MAX }",
            },
            Edit { file: STEADY, from: "            beats.idle += stood_still;\n", to: "" },
            Edit { file: STEADY, from: "if stood_still > 0 || beats.last.is_none()", to: "if beats.last.is_none()" },
        ],
        killer: Killer::Campaign("pause", 2),
    },
    Mutant {
        name: "clock-followed-back",
        fault: "time goes back with the machine's clock",
        edits: &[
            Edit { file: STEADY, from: "ahead.min(passed / CLOCK_NEARS_BY)", to: "ahead" },
            Edit {
                file: STEADY,
                from: "Timestamp(self.latest.fetch_max(at, Ordering::AcqRel).max(at))",
                to: "Timestamp(at)",
            },
        ],
        killer: Killer::Campaign("clock", 2),
    },
    Mutant {
        name: "purge-unfinished",
        fault: "a person may purge a job that is not finished",
        edits: &[
            Edit {
                file: "raincheck-core/src/interpreter/mod.rs",
                from: "if !decide::may_purge(&job) {",
                to: "if job.no.0 == 0 {",
            },
            Edit { file: PURGE, from: "AND state=?2 AND state>\", RUNNING]", to: "AND state=?2 AND state>\", \"-1\"]" },
        ],
        killer: Killer::Tests(STORE),
    },
    Mutant {
        name: "batch-unseen",
        fault: "the jobs of one submit do not see the names that those before them took",
        edits: &[Edit {
            file: "raincheck-core/src/interpreter/submit.rs",
            from: "                facts.claim = Fact::Here(*claim);\n",
            to: "                let _ = claim;\n",
        }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "half-a-batch",
        fault: "a refused submit keeps the jobs before the refused one",
        edits: &[Edit {
            file: "raincheck-core/src/interpreter/submit.rs",
            from: "return Ok(Reply::Refused(done.len(), refusal).into())",
            to: "return Ok(Carried { changes, more, reply: Reply::Refused(done.len(), refusal) })",
        }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "losses-not-counted",
        fault: "a job that kills its workers is handed out for ever",
        edits: &[Edit { file: SETTLE, from: "draft.job.losses += 1;", to: "" }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "losses-count-twice",
        fault: "a loss that counts as a failed attempt counts as a loss in a row, too",
        edits: &[Edit {
            file: SETTLE,
            from: "draft.job.failures += 1;\n        draft.job.failures >= draft.job.max_attempts",
            to: "(draft.job.failures, draft.job.losses) = (draft.job.failures + 1, draft.job.losses + 1);\n        draft.job.failures >= draft.job.max_attempts",
        }],
        killer: Killer::Tests(CORE),
    },
    Mutant {
        name: "hand-over-in-memory",
        fault: "a lease that was handed over has its old length after a restart",
        edits: &[Edit {
            file: "raincheck-core/src/decide/lease.rs",
            from: "let longer = Job { ttl, ..job };",
            to: "let longer = job;",
        }],
        killer: Killer::Tests(&["test", "-p", "raincheck-store", "--test", "it", "a_hand_over_outlives_a_restart"]),
    },
    Mutant {
        name: "patterns-wake-nobody",
        fault: "a job wakes only those who wait for its kind by name",
        edits: &[Edit {
            file: "raincheck-engine/src/waiting.rs",
            from: "self.by_pattern.iter().filter(|(pattern, _)| pattern.matches(kind))",
            to: "self.by_pattern.iter().filter(|(pattern, _)| pattern.as_str() == kind.as_str())",
        }],
        killer: Killer::Tests(ENGINE),
    },
    Mutant {
        name: "lost-goes-behind",
        fault: "a job whose run was lost goes behind all that were queued meanwhile",
        edits: &[Edit {
            file: SETTLE,
            from: "let state = draft.back(moment);",
            to: "let state = draft.wait(0, moment);",
        }],
        killer: Killer::Tests(CORE),
    },
];
