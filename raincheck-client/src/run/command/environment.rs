//! What a program gets of its worker's environment: what a shell needs to find things, and what the operator lists. A
//! worker's environment holds its token, and often more secrets that are none of a program's business.

use std::ffi::{OsStr, OsString};

use tokio::process::Command;

/// What every program gets: who and where it is, how it speaks, where things lie. None of it is a secret.
pub const ALWAYS: [&str; 15] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TERM",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
/// The worker's own, and the facts about a job: never handed down.
const OURS: &str = "RAINCHECK_";

/// Why a text names no variables of the environment that can be handed down.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check_variable(name: &str) -> Result<(), String> {
    let (stem, _) = stem(name);
    if name.is_empty() {
        Err("the name of a variable is empty".to_owned())
    } else if stem.contains(['*', '=', '\0']) {
        Err(format!("`{name}` names no variables: write NAME, or NAME* for all that begin so"))
    } else if stem.starts_with(OURS) {
        Err(format!("`{name}` can't be handed down: {OURS}* are the worker's own, its token among them"))
    } else {
        Ok(())
    }
}

/// The beginning that a name must have, and whether that is all of it.
fn stem(name: &str) -> (&str, bool) {
    name.strip_suffix('*').map_or((name, true), |stem| (stem, false))
}

/// What the operator said about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment {
    /// Names beside [`ALWAYS`]; one that ends in `*` stands for all that begin so.
    pub(super) listed: Vec<String>,
    /// Names that no `*` stands for.
    pub(super) withheld: Vec<String>,
}

impl Environment {
    /// Whether a variable of the worker is handed down.
    fn admits(&self, name: &OsStr) -> bool {
        // What is no text is named by nobody.
        let Some(name) = name.to_str().filter(|name| !name.starts_with(OURS)) else { return false };
        let names = |pattern: &str| match stem(pattern) {
            (whole, true) => name == whole,
            (begin, false) => name.starts_with(begin) && !self.withheld.iter().any(|held| held == name),
        };
        ALWAYS.into_iter().any(names) || self.listed.iter().any(|pattern| names(pattern))
    }

    /// Leaves a process nothing else. It is the supervisor that gets it: a program could look into what its parent has.
    pub(super) fn hand_down(&self, to: &mut Command) {
        to.env_clear().envs(self.of(std::env::vars_os()));
    }

    fn of(&self, variables: impl Iterator<Item = (OsString, OsString)>) -> impl Iterator<Item = (OsString, OsString)> {
        variables.filter(|(name, _)| self.admits(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handed_down(listed: &[&str], withheld: &[&str]) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let environment = Environment { listed: owned(listed), withheld: owned(withheld) };
        let variables = ["PATH", "PATHS", "LC_ALL", "LANG", "PGPASS", "MODEL_DIR", "MODEL", "RAINCHECK_TOKEN", "X"];
        environment
            .of(variables.map(|name| (name.into(), "v".into())).into_iter())
            .map(|(name, _)| name.into_string().unwrap())
            .collect()
    }

    #[test]
    fn only_what_is_listed_is_handed_down() {
        assert_eq!(handed_down(&[], &[]), ["PATH", "LC_ALL", "LANG"]);
        assert_eq!(handed_down(&["X"], &[]), ["PATH", "LC_ALL", "LANG", "X"]);
        assert_eq!(handed_down(&["MODEL_*"], &[]), ["PATH", "LC_ALL", "LANG", "MODEL_DIR"]);
        assert_eq!(handed_down(&["MODEL*"], &[]), ["PATH", "LC_ALL", "LANG", "MODEL_DIR", "MODEL"]);
    }

    #[test]
    fn the_workers_own_never_are_and_what_is_withheld_only_by_its_name() {
        let all = ["PATH", "PATHS", "LC_ALL", "LANG", "PGPASS", "MODEL_DIR", "MODEL", "X"];
        assert_eq!(handed_down(&["*"], &[]), all);
        assert!(!handed_down(&["*", "PG*"], &["PGPASS"]).contains(&"PGPASS".to_owned()));
        assert!(handed_down(&["PGPASS"], &["PGPASS"]).contains(&"PGPASS".to_owned()));
        assert!(!handed_down(&["RAINCHECK_TOKEN"], &[]).contains(&"RAINCHECK_TOKEN".to_owned()));
    }

    #[test]
    fn a_name_is_checked() {
        for good in ["PATH", "MODEL_*", "*", "a.b"] {
            assert_eq!(check_variable(good), Ok(()), "{good}");
        }
        for bad in ["", "A*B", "**", "A=1", "A\0", "RAINCHECK_TOKEN", "RAINCHECK_*"] {
            assert!(check_variable(bad).is_err(), "{bad}");
        }
    }
}
