//! Words that were given up for the usual ones. They must not come back as names.

use super::file::File;

/// Where a word is looked for. Most are ordinary English, so no prose is.
#[derive(Clone, Copy, PartialEq)]
enum As {
    /// In names of types, functions, modules and files.
    Name,
    /// In names of types.
    Type,
    /// In names of modules and files.
    Module,
}

/// Words that still have a meaning of their own in files that begin so.
const STILL_MEANT: &[(&str, &str)] = &[
    // What is wrong with a worker, and no error.
    ("trouble", "raincheck-worker/"),
    ("trouble", "raincheck-client/"),
    // This table.
    ("", "dev/xtask/src/tidy/words.rs"),
];

/// What was given up, where, and what to say instead.
const GIVEN_UP: &[(&str, As, &str)] = &[
    ("stretch", As::Name, "partition"),
    ("tend", As::Name, "maintain"),
    ("thin", As::Name, "compact"),
    ("floors", As::Name, "scan start"),
    ("mind", As::Type, "WriterState"),
    ("book", As::Type, "Counters"),
    ("trouble", As::Type, "Error"),
    ("lawful", As::Name, "check_changes"),
    ("glance", As::Name, "job_row"),
    ("outlook", As::Type, "WaitEstimate"),
    ("duty", As::Type, "MaintenanceTask"),
    ("grant", As::Type, "PendingLease"),
    ("retire", As::Name, "purge_expired"),
    ("bury", As::Name, "drop_tombstones"),
    ("postman", As::Name, "ReplySender"),
    ("figures", As::Type, "Stats"),
    ("learn", As::Module, "read"),
    ("steer", As::Module, "control"),
    ("sight", As::Type, "Lookup"),
    ("bed", As::Type, "TestServer"),
    ("platter", As::Name, "SimDisk"),
    ("witness", As::Name, "Checker"),
];

/// Before a name that is given to something, and what that is.
const GIVEN: &[(&str, As)] = &[
    ("struct ", As::Type),
    ("enum ", As::Type),
    ("trait ", As::Type),
    ("type ", As::Type),
    ("union ", As::Type),
    ("class ", As::Type),
    ("mod ", As::Module),
    ("fn ", As::Name),
    ("def ", As::Name),
    ("function ", As::Name),
];
const CODE: &[&str] = &[".rs", ".py", ".mjs", ".js", ".sh"];

pub fn given_up(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        // A file or folder is named where it first is met.
        let name = file.path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        let folders = file.path.rsplit('/').skip(1).filter(|_| matches!(name, "mod" | "main" | "lib" | "README"));
        for part in [name].into_iter().chain(folders) {
            complaints.extend(complaint(&file.path, part, As::Module));
        }
        if CODE.iter().any(|end| file.ends(end)) {
            for (number, line) in file.code() {
                let place = format!("{}:{number}", file.path);
                complaints.extend(names(line).filter_map(|(name, is)| complaint(&place, name, is)));
            }
        }
        for (number, line) in file.lines().filter(|(_, line)| line.contains('`')) {
            if !file.ends(".md") && !line.trim_start().starts_with("//") {
                continue;
            }
            // Every second piece between backticks is code; a name there that is no ordinary word is one of ours.
            let code = line.split('`').skip(1).step_by(2).flat_map(|code| code.split(|c: char| !is_of_name(c)));
            let place = format!("{}:{number}", file.path);
            complaints.extend(code.filter_map(|name| {
                let is = if name.starts_with(|c: char| c.is_uppercase()) { As::Type } else { As::Name };
                let is_ours = is == As::Type || name.contains('_');
                is_ours.then(|| complaint(&place, name, is))?
            }));
        }
    }
    complaints
}

fn complaint(place: &str, name: &str, is: As) -> Option<String> {
    let words = words(name);
    let (word, _, instead) = GIVEN_UP.iter().find(|(word, looked_for, _)| {
        (*looked_for == As::Name || *looked_for == is) && words.iter().any(|it| it == word)
    })?;
    if STILL_MEANT.iter().any(|(meant, files)| (meant.is_empty() || meant == word) && place.starts_with(files)) {
        return None;
    }
    Some(format!("{place}: `{name}`: `{word}` was given up; say {instead}"))
}

/// Names that a line of code gives, and to what.
fn names(line: &str) -> impl Iterator<Item = (&str, As)> {
    GIVEN.iter().flat_map(move |(before, is)| {
        let given = line.match_indices(before).filter(|(at, _)| !line[..*at].ends_with(is_of_name));
        given.map(|(at, _)| {
            let rest = &line[at + before.len()..];
            (&rest[..rest.find(|c| !is_of_name(c)).unwrap_or(rest.len())], *is)
        })
    })
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The words of a name, small: `OldName`, `old_name` and `old-name` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in name.split(['_', '-']) {
        let mut word = String::new();
        for c in part.chars() {
            if c.is_uppercase() && word.ends_with(|c: char| c.is_lowercase()) {
                words.push(std::mem::take(&mut word));
            }
            word.extend(c.to_lowercase());
        }
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file::file;

    fn found(path: &str, text: &str) -> usize {
        given_up(&[file(path, text)]).len()
    }

    #[test]
    fn a_name_with_a_word_that_was_given_up_is_named() {
        for text in [
            "pub(crate) struct Mind;",
            "enum QueueFigures {}",
            "type Trouble = E;",
            "    async fn glance_at(x: u8) {}",
            "mod learn;",
            "pub fn bury() {}",
            "/// As [`PartGrant`] says.",
        ] {
            assert_eq!(found("a.rs", text), 1, "{text}");
        }
        assert_eq!(found("docs/a.md", "See `Postman` and `retire_jobs`."), 2);
        assert_eq!(found("a/learn.rs", "") + found("a/steer/mod.rs", "") + found("a/retire-jobs.md", ""), 3);
        assert_eq!(
            given_up(&[file("a.rs", "\nfn lawful() {}")]),
            ["a.rs:2: `lawful`: `lawful` was given up; say check_changes"]
        );
    }

    #[test]
    fn prose_and_other_names_are_left_alone() {
        for text in [
            "// They retire, bury and learn; a `grant` is a grant.",
            "fn learn(grant: Lease) { let figures = book(); }",
            "struct Embedded; fn everything() {} fn attend() {}",
            "fn grant() {}",
        ] {
            assert_eq!(found("a.rs", text), 0, "{text}");
        }
        assert_eq!(found("docs/a.md", "Mind the `kind`; a Duty. Figures: `book`."), 0);
    }
}
