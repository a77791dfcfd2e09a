//! The private directory of a run, and the files in it.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::Plan;
use crate::Error;

/// Nobody else looks in.
const PRIVATE: u32 = 0o700;

/// Removed when dropped.
pub(super) struct Scratch {
    directory: TempDir,
}

impl Scratch {
    pub(super) fn new(plan: &Plan) -> Result<Self, Error> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("raincheck-").permissions(fs::Permissions::from_mode(PRIVATE));
        let directory = match &plan.scratch {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        };
        let scratch = directory.map(|directory| Self { directory });
        let scratch = scratch.map_err(|source| Error::io("cannot make a temporary directory", source))?;
        // Apart from the rest, so that no name that the program chooses meets one of these.
        fs::create_dir(scratch.private()).map_err(|source| Error::io("cannot make a temporary directory", source))?;
        Ok(scratch)
    }

    /// Makes it as new; `false` when a program has changed what cannot be taken back. To make a directory and to remove
    /// it costs more than to start many a program.
    pub(super) fn clear(&self) -> io::Result<bool> {
        let private = self.private();
        for entry in fs::read_dir(self.whole())? {
            let entry = entry?;
            match entry.path() {
                path if path == private => {}
                path if entry.file_type()?.is_dir() => fs::remove_dir_all(path)?,
                // Removed and not emptied: whoever still has one open must not write into the next run.
                path => fs::remove_file(path)?,
            }
        }
        let whole = fs::symlink_metadata(self.whole())?;
        if !whole.is_dir() || whole.permissions().mode() & 0o7777 != PRIVATE {
            return Ok(false);
        }
        if !fs::symlink_metadata(&private)?.is_dir() {
            return Ok(false);
        }
        if fs::read_dir(&private)?.next().is_some() {
            fs::remove_dir_all(&private)?;
            fs::create_dir(&private)?;
        }
        Ok(true)
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
