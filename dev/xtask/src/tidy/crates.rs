//! The line of crates: core <- store <- engine <- http <- raincheck, with the client beside it and the loop of workers below both.

use super::file::{File, has_word};

/// Which of our crates each crate may depend on, in any section of its manifest.
const ALLOWED: &[(&str, &[&str])] = &[
    ("raincheck-fuzz", &[]),
    ("pgcluster", &[]),
    ("s3server", &[]),
    ("raincheck-core", &["raincheck-fuzz"]),
    ("raincheck-sim", &["raincheck-core"]),
    // The simulation's store is what the conformance suite compares other stores with.
    ("raincheck-store", &["raincheck-core", "raincheck-sim", "raincheck-fuzz", "pgcluster", "s3server"]),
    ("raincheck-worker", &[]),
    ("raincheck-engine", &["raincheck-core", "raincheck-store", "raincheck-worker", "raincheck-fuzz"]),
    ("raincheck-client", &["raincheck-worker", "raincheck-fuzz"]),
    ("raincheck-http", &["raincheck-core", "raincheck-store", "raincheck-engine", "raincheck-fuzz"]),
    (
        "raincheck",
        &[
            "raincheck-core",
            "raincheck-store",
            "raincheck-engine",
            "raincheck-client",
            "raincheck-http",
            "raincheck-fuzz",
            "pgcluster",
            "s3server",
        ],
    ),
    ("raincheck-bench", &["raincheck", "raincheck-core", "raincheck-store", "pgcluster"]),
    ("powercut", &[]),
    ("torture", &["pgcluster"]),
    ("xtask", &[]),
];

/// Names that say nothing about what belongs in them, so everything ends up there.
const VAGUE: &[&str] = &["common", "types", "utils", "util", "helpers"];

const FOREIGN_TO_CORE: &[&str] = &["tokio", "serde_json", "rusqlite", "axum"];

const SQL: &[&str] =
    &["SELECT", "INSERT INTO", "DELETE FROM", "CREATE TABLE", "CREATE INDEX", "PRAGMA", "BEGIN IMMEDIATE"];

pub fn line(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (manifest, name) in manifests(files) {
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            complaints.push(format!(
                "{}: crate `{name}` has no row in xtask's ALLOWED; give it its place in the line",
                manifest.path
            ));
            continue;
        };
        for dependency in dependencies(&manifest.text).filter(|d| ALLOWED.iter().any(|(known, _)| known == d)) {
            // A crate may test itself with a feature of its own switched on.
            if dependency != name && !allowed.contains(&dependency) {
                complaints.push(format!(
                    "{}: `{name}` must not depend on `{dependency}` (ARCHITECTURE.md, Crates); move the code or turn the dependency round",
                    manifest.path
                ));
            }
        }
    }
    complaints
}

pub fn names(files: &[File]) -> Vec<String> {
    let vague = |name: &str| name.split(['-', '_']).any(|part| VAGUE.contains(&part));
    let bad = manifests(files).filter(|(_, name)| vague(name));
    bad.map(|(file, name)| format!("{}: crate `{name}`: name it after the one thing that it holds", file.path))
        .collect()
}

pub fn pure_core(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in
        files.iter().filter(|file| file.path.starts_with("raincheck-core/") && (file.ends(".rs") || file.ends(".toml")))
    {
        for (number, line) in file.code() {
            for word in FOREIGN_TO_CORE.iter().filter(|word| has_word(line, word)) {
                complaints.push(format!(
                    "{}:{number}: the core does not know {word}; do this in the crate that calls it",
                    file.path
                ));
            }
        }
    }
    complaints
}

pub fn sql_stays_in_the_store(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    let outside = |path: &str| {
        [
            "raincheck-core/",
            "raincheck-engine/",
            "raincheck-client/",
            "raincheck-worker/",
            "raincheck-http/",
            "raincheck/src/",
        ]
        .iter()
        .any(|p| path.starts_with(p))
    };
    for file in files.iter().filter(|file| outside(&file.path) && file.ends(".rs")) {
        for (number, line) in file.code() {
            for word in SQL.iter().chain(&["rusqlite"]).filter(|word| has_word(line, word)) {
                complaints.push(format!(
                    "{}:{number}: `{word}` belongs in raincheck-store; add a verb to its trait instead",
                    file.path
                ));
            }
        }
    }
    complaints
}

pub fn handlers_ask_the_engine(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.path.starts_with("raincheck-http/src/") && file.ends(".rs")) {
        for (number, line) in file.code() {
            if line.contains(".store()") || has_word(line, "Reply") {
                complaints.push(format!(
                    "{}:{number}: a handler asks the engine, not the store: add a verb there, with an answer of its own",
                    file.path
                ));
            }
        }
    }
    complaints
}

/// Every crate's manifest with the crate's name.
fn manifests(files: &[File]) -> impl Iterator<Item = (&File, &str)> {
    files.iter().filter(|file| file.ends("Cargo.toml")).filter_map(|file| {
        let package = file.text.split("[package]").nth(1)?;
        let name = package.lines().find_map(|line| line.strip_prefix("name = \""))?;
        Some((file, name.trim_end_matches('"')))
    })
}

/// Names in every `[…dependencies]` section, and those of `[…dependencies.name]` headers.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    manifest.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = header.ends_with("dependencies");
            return header.rsplit_once("dependencies.").map(|(_, name)| name);
        }
        inside.then(|| line.split(['=', '.', ' ']).next()).flatten().filter(|name| !name.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file::file;

    fn manifest(name: &str, rest: &str) -> File {
        file(&format!("{name}/Cargo.toml"), &format!("[package]\nname = \"{name}\"\n{rest}"))
    }

    #[test]
    fn the_line_holds_in_every_section_and_spelling() {
        assert!(
            line(&[manifest("raincheck-engine", "[dependencies]\nraincheck-store.workspace = true\ntokio = \"1\"")])
                .is_empty()
        );
        for section in [
            "[dependencies]\nraincheck-engine.workspace = true",
            "[dev-dependencies]\nraincheck-engine = { path = \"..\" }",
            "[dependencies.raincheck-engine]\npath = \"..\"",
            "[target.'cfg(unix)'.dependencies]\nraincheck-engine.workspace = true",
        ] {
            assert_eq!(line(&[manifest("raincheck-store", section)]).len(), 1, "{section}");
        }
        assert_eq!(line(&[manifest("raincheck-client", "[dependencies]\nraincheck-store.workspace = true")]).len(), 1);
    }

    #[test]
    fn a_crate_without_a_place_or_with_a_vague_name_is_refused() {
        let new = [manifest("raincheck-common", "")];
        assert_eq!(line(&new).len(), 1);
        assert_eq!(names(&new).len(), 1);
    }

    #[test]
    fn the_core_may_speak_of_tokio_but_not_use_it() {
        assert!(pure_core(&[file("raincheck-core/src/a.rs", "// no tokio here")]).is_empty());
        assert_eq!(pure_core(&[file("raincheck-core/src/a.rs", "use tokio::time;")]).len(), 1);
        assert_eq!(pure_core(&[file("raincheck-core/Cargo.toml", "serde_json.workspace = true")]).len(), 1);
    }

    #[test]
    fn a_handler_that_reaches_through_to_the_store_is_found() {
        let found = |path: &str, text: &str| handlers_ask_the_engine(&[file(path, text)]).len();
        assert_eq!(found("raincheck-http/src/a.rs", "app.engine.store().record(no)"), 1);
        assert_eq!(found("raincheck-http/src/a/b.rs", "use raincheck_core::Reply;"), 1);
        assert_eq!(
            found(
                "raincheck-http/src/a.rs",
                "// not engine.store()
app.engine.record(no)"
            ),
            0
        );
        assert_eq!(found("raincheck/src/cli/a.rs", "engine.store().own_workers()"), 0);
    }

    #[test]
    fn sql_is_found_and_http_methods_are_not() {
        assert_eq!(sql_stays_in_the_store(&[file("raincheck-engine/src/a.rs", "\"SELECT 1\"")]).len(), 1);
        assert!(
            sql_stays_in_the_store(&[file("raincheck-http/src/a.rs", "Method::DELETE; tokio::select! {}")]).is_empty()
        );
        assert!(sql_stays_in_the_store(&[file("raincheck-store/src/a.rs", "\"SELECT 1\"")]).is_empty());
    }
}
