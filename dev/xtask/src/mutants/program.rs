//! Faults of the program among others: signals, terminals, containers, files of others.

use super::mutant::{Edit, Killer, Mutant};

const SIGNALS: &[&str] = &["test", "-p", "raincheck", "--test", "it", "cli::signals"];
const TERMINAL: &[&str] = &["test", "-p", "raincheck", "--test", "it", "cli::terminal"];
const SERVICE: &[&str] = &["test", "-p", "raincheck", "--test", "it", "cli::service"];
const ANOTHERS: &[&str] = &["test", "-p", "raincheck-store", "--test", "it", "anothers"];

/// Those that an operator would be misled or locked out by.
pub const OF_THE_PROGRAM: &[Mutant] = &[
    Mutant {
        name: "log-waits",
        fault: "whoever says something waits until it is taken",
        edits: &[Edit {
            file: "raincheck/src/cli/stderr.rs",
            from: "WAITS.store(false, Ordering::Relaxed)",
            to: "WAITS.store(true, Ordering::Relaxed)",
        }],
        killer: Killer::Tests(SIGNALS),
    },
    Mutant {
        name: "terminal-never-gone",
        fault: "SIGHUP always means to read the settings again",
        edits: &[Edit {
            file: "raincheck/src/cli/signals.rs",
            from: "match self.has_terminal && !has_terminal()",
            to: "match self.has_terminal && false",
        }],
        killer: Killer::Tests(TERMINAL),
    },
    Mutant {
        name: "marks-of-direction",
        fault: "a label may turn the line around that it stands in",
        edits: &[Edit {
            file: "raincheck/src/cli/style.rs",
            from: "'\\u{2028}'..='\\u{202e}'",
            to: "'\\u{2028}'..='\\u{2029}'",
        }],
        killer: Killer::Tests(TERMINAL),
    },
    Mutant {
        name: "orphans-stay",
        fault: "the first process of a container waits for its own child alone",
        edits: &[Edit {
            file: "raincheck/src/cli/first.rs",
            from: "wait(WaitOptions::NOHANG)?",
            to: "rustix::process::waitpid(Some(child), WaitOptions::NOHANG)?",
        }],
        killer: Killer::Tests(SERVICE),
    },
    Mutant {
        name: "anybodys-database",
        fault: "a database without a mark is taken for one of ours",
        edits: &[Edit { file: "raincheck-store/src/sqlite/mark.rs", from: "0 => is_empty()?,", to: "0 => true," }],
        killer: Killer::Tests(ANOTHERS),
    },
];
