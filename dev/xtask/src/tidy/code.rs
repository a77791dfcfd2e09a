//! Rules for source files: a size, nothing half done.

use super::file::File;

const MOST_LINES: usize = 500;
const MANY_LINES: usize = 300;
const SOURCES: &[&str] = &[".rs", ".py", ".mjs", ".js", ".css", ".sh", ".html", ".sql"];
/// Macros that have no place in what is committed.
const UNFINISHED: &[&str] = &["todo", "unimplemented", "dbg"];

pub fn size(files: &[File]) -> Vec<String> {
    over(files, MOST_LINES)
        .map(|(file, lines)| format!("{}: {lines} lines, at most {MOST_LINES}; split it by noun", file.path))
        .collect()
}

/// Not complaints yet: files that will be.
pub fn long(files: &[File]) -> Vec<String> {
    let many = over(files, MANY_LINES).filter(|(_, lines)| *lines <= MOST_LINES);
    many.map(|(file, lines)| format!("{}: {lines} lines; {MOST_LINES} is the end, think of a split", file.path))
        .collect()
}

pub fn unfinished(files: &[File]) -> Vec<String> {
    let calls: Vec<String> = UNFINISHED.iter().map(|name| format!("{name}!")).collect();
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.ends(".rs")) {
        for (number, line) in file.code() {
            for call in calls.iter().filter(|call| line.contains(call.as_str())) {
                complaints.push(format!("{}:{number}: `{call}` is for unfinished work; finish it", file.path));
            }
        }
    }
    complaints
}

fn over(files: &[File], most: usize) -> impl Iterator<Item = (&File, usize)> {
    let sources = files.iter().filter(|file| SOURCES.iter().any(|suffix| file.ends(suffix)));
    sources.map(|file| (file, file.text.lines().count())).filter(move |(_, lines)| *lines > most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file::file;

    #[test]
    fn size_warns_then_refuses() {
        let lines = |n: usize| [file("a.rs", &"\n".repeat(n))];
        assert!(long(&lines(300)).is_empty());
        assert_eq!(long(&lines(301)).len(), 1);
        assert!(size(&lines(500)).is_empty());
        assert_eq!(size(&lines(501)).len(), 1);
        assert!(long(&lines(501)).is_empty());
    }

    #[test]
    fn unfinished_work_is_refused() {
        let text = format!("fn a() {{ {}!() }}\n// {}! in a comment\n", "todo", "todo");
        assert_eq!(unfinished(&[file("a.rs", &text)]).len(), 1);
    }
}
