//! The private directory of one run, and the files in it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::Plan;
use crate::Error;

/// Removed when dropped.
pub(super) struct Scratch {
    directory: TempDir,
}

impl Scratch {
    pub(super) fn new(plan: &Plan) -> Result<Self, Error> {
        use std::os::unix::fs::PermissionsExt as _;
        let mut builder = tempfile::Builder::new();
        builder.prefix("raincheck-").permissions(std::fs::Permissions::from_mode(0o700));
        let directory = match &plan.scratch {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        };
        let scratch = directory.map(|directory| Self { directory });
        let scratch = scratch.map_err(|source| Error::io("cannot make a temporary directory", source))?;
        // Apart from the rest, so that no name that the program chooses meets one of these.
        std::fs::create_dir(scratch.private())
            .map_err(|source| Error::io("cannot make a temporary directory", source))?;
        Ok(scratch)
    }

    pub(super) fn whole(&self) -> &Path {
        self.directory.path()
    }

    /// For the program to do with as it likes.
    pub(super) fn private(&self) -> PathBuf {
        self.directory.path().join("tmp")
    }

    pub(super) fn input(&self) -> PathBuf {
        self.directory.path().join("input")
    }

    pub(super) fn output(&self) -> PathBuf {
        self.directory.path().join("output")
    }

    pub(super) fn result(&self) -> PathBuf {
        self.directory.path().join("result")
    }

    pub(super) fn meta(&self) -> PathBuf {
        self.directory.path().join("result.meta")
    }
}
