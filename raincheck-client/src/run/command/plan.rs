//! How a program is run, as the operator said.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::environment::Environment;
use crate::Error;

/// The descriptor on which programs report progress.
pub(super) const PROGRESS_FD: i32 = 3;

/// What the operator said.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
    pub(super) variables: Vec<(OsString, OsString)>,
    pub(super) environment: Environment,
    pub(super) directory: Option<PathBuf>,
    pub(super) scratch: Option<PathBuf>,
    pub(super) retry_on: Vec<i32>,
    pub(super) stream: Option<String>,
    pub(super) grace: Duration,
    pub(super) hurry: CancellationToken,
    pub(super) supervisor: Option<PathBuf>,
}

impl Plan {
    /// Where files are made.
    pub(super) fn folder(&self) -> PathBuf {
        self.scratch.clone().unwrap_or_else(std::env::temp_dir)
    }

    /// Says so where there is no such program.
    pub(super) fn has_program(&self) -> Result<(), Error> {
        if is_program(&self.program, self.directory.as_deref()) {
            return Ok(());
        }
        let program = self.program.to_string_lossy();
        Err(Error::Configuration(format!("there is no program `{program}` that can be run")))
    }
}

/// Whether `program` is a file that may be executed: a path, or a name on the search path.
fn is_program(program: &OsStr, directory: Option<&Path>) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let executable =
        |path: &Path| path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    let path = Path::new(program);
    if path.components().count() > 1 || path.is_absolute() {
        return executable(&directory.map_or_else(|| path.to_path_buf(), |directory| directory.join(path)));
    }
    std::env::var_os("PATH").is_some_and(|search| std::env::split_paths(&search).any(|dir| executable(&dir.join(path))))
}
