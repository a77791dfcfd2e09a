//! The tests of `cargo xtask quick`: built as `cargo xtask test` builds them, so that neither compiles anything again for
//! the other, then only those run that need no server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::run::{LONG, S3, cargo, run};

/// Unit tests, those of the core, and conformance on SQLite.
pub fn tests() -> Result<()> {
    let mut build = cargo(&["test", "--workspace", S3, "--lib", "--bins", "--test", "it", "--no-run"]);
    build.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let output = build.output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the tests do not build");
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: Value = serde_json::from_str(line)?;
        if let Some(Tests { program, folder, filter }) = chosen(&message) {
            let mut tests = Command::new(program);
            tests.arg("--quiet").args(filter).current_dir(folder);
            run(tests, LONG)?;
        }
    }
    Ok(())
}

/// A program of tests, where it runs, and which of them.
#[derive(Debug, PartialEq)]
struct Tests {
    program: PathBuf,
    folder: PathBuf,
    filter: Option<&'static str>,
}

/// What is run of what a message of cargo says that it built.
fn chosen(message: &Value) -> Option<Tests> {
    let is_test = message["profile"]["test"].as_bool()?;
    let program = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    let filter = match (folder.file_name()?.to_str()?, message["target"]["kind"][0].as_str()?) {
        ("raincheck-store", "test") => Some("on_sqlite"),
        ("raincheck-core", "test") => None,
        (_, "test") => return None,
        _ => None,
    };
    is_test.then_some(Tests { program, folder, filter })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_a_server_is_left_out() {
        let of = |package: &str, kind: &str, is_test: bool| {
            chosen(&serde_json::json!({
                "reason": "compiler-artifact",
                "manifest_path": format!("/a/{package}/Cargo.toml"),
                "target": { "kind": [kind], "name": "it" },
                "profile": { "test": is_test },
                "executable": "/a/target/it",
            }))
            .map(|tests| tests.filter)
        };
        assert_eq!(of("raincheck-store", "test", true), Some(Some("on_sqlite")));
        assert_eq!(of("raincheck-core", "test", true), Some(None));
        assert_eq!(of("raincheck", "test", true), None);
        assert_eq!(of("raincheck", "lib", true), Some(None));
        assert_eq!(of("raincheck", "bin", false), None, "the program itself");
        assert_eq!(chosen(&serde_json::json!({ "reason": "build-finished", "success": true })), None);
    }
}
