//! Rules for every text file: one spelling, no leftovers, no path that exists on one machine only.

use super::file::File;

/// Identifiers of other people's code that are spelled the British way.
const FOREIGN: &[&str] = &["is_cancelled", ".cancelled(", "cancelled_owned", "run_until_cancelled", "CancelledError"];

const SCRATCH_ENDS: &[&str] =
    &["~", ".orig", ".rej", ".bak", ".tmp", ".swp", ".log", ".db", ".db-wal", ".db-shm", ".pyc", ".snap.new"];
const SCRATCH_NAMES: &[&str] = &["nohup.out", "core", ".DS_Store", "a.out"];
const SCRATCH_WORDS: &[&str] = &["scratch", "wip", "temp", "deleteme", "notes"];

pub fn spelling(files: &[File]) -> Vec<String> {
    let british = ["cance", "lled"].concat();
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| !file.ends(".lock") && !file.ends("tidy/text.rs")) {
        for (number, line) in file.lines().filter(|(_, line)| line.to_lowercase().contains(&british)) {
            let ours = FOREIGN.iter().fold(line.to_owned(), |line, name| line.replace(name, ""));
            if ours.to_lowercase().contains(&british) {
                complaints.push(format!("{}:{number}: write `canceled`, with one l, as the API does", file.path));
            }
        }
    }
    complaints
}

pub fn scratch(files: &[File]) -> Vec<String> {
    let leftover = |file: &&File| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        SCRATCH_ENDS.iter().any(|end| name.ends_with(end))
            || SCRATCH_NAMES.contains(&name)
            || !file.ends(".rs") && SCRATCH_WORDS.contains(&name.split('.').next().unwrap_or_default())
    };
    files
        .iter()
        .filter(leftover)
        .map(|file| format!("{}: looks like a leftover; delete it or have git ignore its folder", file.path))
        .collect()
}

pub fn machine_paths(files: &[File]) -> Vec<String> {
    // Put together here, so that this file does not hold them.
    let places = [["/wo", "rk/"].concat(), ["/fa", "rm"].concat(), [".lib", "rary/"].concat()];
    let mut complaints = Vec::new();
    for file in files {
        for (number, line) in file.lines() {
            for place in places.iter().filter(|place| line.contains(*place)) {
                complaints.push(format!(
                    "{}:{number}: `{place}` is a path of one machine; the repository stands alone",
                    file.path
                ));
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file::file;

    #[test]
    fn one_spelling_but_for_foreign_names() {
        assert!(
            spelling(&[file(
                "a.rs",
                "if token.is_cancelled() { state = canceled }; token.cancelled().await; cancellation"
            )])
            .is_empty()
        );
        assert_eq!(spelling(&[file("a.md", "The job was Cancelled.")]).len(), 1);
    }

    #[test]
    fn leftovers_are_named() {
        for path in ["a.rs.orig", "docs/nohup.out", "wip.md", "raincheck.db-wal", "x/core"] {
            assert_eq!(scratch(&[file(path, "")]).len(), 1, "{path}");
        }
        assert!(scratch(&[file("raincheck-client/src/scratch.rs", ""), file("templates/a.html", "")]).is_empty());
    }

    #[test]
    fn paths_of_one_machine_are_named() {
        let text = ["see /wo", "rk/x"].concat();
        assert_eq!(machine_paths(&[file("a.md", &text)]).len(), 1);
        assert!(machine_paths(&[file("a.md", "GET /workers, a framework/thing")]).is_empty());
    }
}
