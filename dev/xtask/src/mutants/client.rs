//! The mutants of a worker and what it runs.

use super::mutant::{Edit, Killer, Mutant};

const ENVIRONMENT: &[&str] = &["test", "-p", "raincheck", "--test", "it", "environment"];
const RUN: &[&str] = &["test", "-p", "raincheck-client", "--lib", "run::"];
const KEPT: &[&str] = &["test", "-p", "raincheck-client", "--test", "it", "unexpected"];
const TROUBLE: &[&str] = &["test", "-p", "raincheck-client", "--test", "it", "trouble"];

/// Those by which a program would do or lose what is not its own.
pub const OF_WORKERS: &[Mutant] = &[
    Mutant {
        name: "environment-is-inherited",
        fault: "a program gets all that stands in its server's environment",
        edits: &[Edit {
            file: "raincheck-client/src/run/command/environment.rs",
            from: "to.env_clear().envs(",
            to: "to.envs(",
        }],
        killer: Killer::Tests(ENVIRONMENT),
    },
    Mutant {
        name: "gap-unsaid",
        fault: "a log that is over its limit does not say what is missing",
        edits: &[Edit {
            file: "raincheck-client/src/run/outgoing.rs",
            from: "self.put(format!(\"{before}[… {} bytes left out …]\\n\", self.left_out).as_bytes());",
            to: "self.put(before.as_bytes());",
        }],
        killer: Killer::Tests(RUN),
    },
    Mutant {
        name: "links-followed",
        fault: "a program's link in the place of its result leads the worker anywhere",
        edits: &[Edit {
            file: "raincheck-client/src/run/command/left.rs",
            from: "match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {",
            to: "match statat(directory, name, AtFlags::empty()) {",
        }],
        killer: Killer::Tests(RUN),
    },
    Mutant {
        name: "own-trouble-fails",
        fault: "what keeps a worker from running a job is a failed attempt of the job",
        edits: &[Edit {
            file: "raincheck-client/src/run/outcome.rs",
            from: "true => Self::Trouble(error.in_full()),",
            to: "true => Self::retry(\"cannot-run\", \"\", error.in_full()),",
        }],
        killer: Killer::Campaign("broken-worker", 2),
    },
    Mutant {
        name: "failure-not-doubted",
        fault: "a program that failed where nothing could be run fails its job",
        edits: &[Edit {
            file: "raincheck-client/src/run/command/mod.rs",
            from: "health::check(&self.plan).map(|()| Outcome::Fail(failure))",
            to: "Ok(Outcome::Fail(failure))",
        }],
        killer: Killer::Tests(TROUBLE),
    },
    Mutant {
        name: "answer-for-any-job",
        fault: "a kept program's answer counts for whatever job it is asked about",
        edits: &[Edit {
            file: "raincheck-client/src/run/command/lines.rs",
            from: "if (job.as_str(), attempt) != (asked.job, asked.attempt) {",
            to: "if asked.job.is_empty() {",
        }],
        killer: Killer::Tests(KEPT),
    },
];
