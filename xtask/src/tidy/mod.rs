//! House rules that neither the compiler nor clippy knows. A rule is a function from the repository's
//! text files to complaints; each complaint says where, what and how to put it right.

mod code;
mod crates;
mod docs;
mod text;

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};

/// A text file of the repository, with its path from the root, `/` between the parts.
pub struct File {
    path: String,
    text: String,
}

type Rule = fn(&[File]) -> Vec<String>;

const RULES: &[Rule] = &[
    crates::line,
    crates::names,
    crates::pure_core,
    crates::sql_stays_in_the_store,
    crates::handlers_ask_the_engine,
    code::size,
    code::unfinished,
    docs::links,
    docs::problems,
    text::spelling,
    text::scratch,
    text::machine_paths,
];

/// What git ignores or owns; `.git` is a file in a second work tree.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", "__pycache__", "raincheck-data", "raincheck-demo"];

/// Runs every rule over the repository at `root`.
pub fn check(root: &Path) -> Result<()> {
    let mut files = Vec::new();
    read(root, "", &mut files)?;
    for note in code::long(&files) {
        println!("note: {note}");
    }
    let complaints: Vec<String> = RULES.iter().flat_map(|rule| rule(&files)).collect();
    if !complaints.is_empty() {
        bail!("{}\n{} tidy complaints", complaints.join("\n"), complaints.len());
    }
    println!("{} rules hold in {} files", RULES.len(), files.len());
    Ok(())
}

fn read(folder: &Path, prefix: &str, files: &mut Vec<File>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if SKIPPED.contains(&name.as_str()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{path}/"), files)?;
        } else {
            // A file that is not text still counts by its name.
            let text = String::from_utf8(fs::read(entry.path())?).unwrap_or_default();
            files.push(File { path, text });
        }
    }
    Ok(())
}

impl File {
    fn ends(&self, suffix: &str) -> bool {
        self.path.ends_with(suffix)
    }

    /// Lines with their numbers from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Lines without those that are only a comment.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// True if `word` stands in `line` with no letter, digit or underscore at either side.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    })
}

#[cfg(test)]
fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_where_identifiers_end() {
        assert!(has_word("use tokio::spawn;", "tokio"));
        assert!(!has_word("let tokio_like = 1;", "tokio"));
    }

    #[test]
    fn this_repository_is_tidy() {
        if let Err(complaints) = check(&crate::root()) {
            panic!("{complaints}");
        }
    }
}
