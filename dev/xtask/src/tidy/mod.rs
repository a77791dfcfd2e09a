//! House rules that neither the compiler nor clippy knows. A rule is a function from the repository's
//! text files to complaints; each complaint says where, what and how to put it right.

mod circles;
mod code;
mod crates;
mod docs;
mod file;
mod picture;
mod schema;
mod text;
mod variants;
mod words;

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Result, anyhow, bail};

use crate::graph::{self, Arrows, Source};
use file::File;
pub use picture::write as write_picture;

type Rule = fn(&[File]) -> Vec<String>;
/// A rule that goes by the code as the compiler reads it.
type CodeRule = fn(&[File], &[Source]) -> Vec<String>;
/// A rule that goes by which file takes names from which.
type ArrowRule = fn(&[File], &Arrows) -> Vec<String>;

const RULES: &[Rule] = &[
    crates::line,
    crates::names,
    crates::pure_core,
    crates::sql_stays_in_the_store,
    crates::handlers_ask_the_engine,
    code::size,
    code::unfinished,
    docs::links,
    docs::paths,
    docs::problems,
    text::spelling,
    text::scratch,
    text::machine_paths,
    words::given_up,
];
const CODE_RULES: &[CodeRule] = &[schema::complaints, variants::complaints];
const ARROW_RULES: &[ArrowRule] = &[circles::complaints, picture::complaints];

/// What git ignores or owns; `.git` is a file in a second work tree.
const SKIPPED: &[&str] = &[".git", "target", "node_modules", "__pycache__", "raincheck-data", "raincheck-demo"];

/// Runs every rule over the repository at `root`.
pub fn check(root: &Path) -> Result<()> {
    let mut files = Vec::new();
    read(root, "", &mut files)?;
    for note in code::long(&files) {
        println!("note: {note}");
    }
    let complaints = thread::scope(|scope| {
        let of_texts = scope.spawn(|| RULES.iter().flat_map(|rule| rule(&files)).collect());
        let sources = graph::sources(root)?;
        let arrows = graph::of(&sources);
        let of_code = CODE_RULES.iter().flat_map(|rule| rule(&files, &sources));
        let of_code: Vec<String> = of_code.chain(ARROW_RULES.iter().flat_map(|rule| rule(&files, &arrows))).collect();
        let mut complaints: Vec<String> = of_texts.join().map_err(|_| anyhow!("a rule panicked"))?;
        complaints.extend(of_code);
        anyhow::Ok(complaints)
    })?;
    if !complaints.is_empty() {
        bail!("{}\n{} tidy complaints", complaints.join("\n"), complaints.len());
    }
    let rules = RULES.len() + CODE_RULES.len() + ARROW_RULES.len();
    println!("{rules} rules hold in {} files", files.len());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_is_tidy() {
        if let Err(complaints) = check(&crate::run::root()) {
            panic!("{complaints}");
        }
    }
}
