//! The private directory of a run, and the files in it.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
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
                path if (path == self.input() || path == self.output())
                    && is_untouched(&fs::symlink_metadata(&path)?) => {}
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

    /// A file for the output, which is empty.
    pub(super) fn open_output(&self) -> io::Result<fs::File> {
        // Without truncation: ext4 would write a file that was truncated to the disk as soon as it is closed.
        fs::File::options().write(true).create(true).truncate(false).open(self.output())
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

/// An empty file says nothing to whoever still has it open, and where every process of a run is ended, nobody writes to it
/// any more. It is kept because ext4 gives out no inode again that was freed within a minute or more, and looks over all
/// of those for each new file: at some hundred files a second that is most of the time of a short job.
fn is_untouched(file: &fs::Metadata) -> bool {
    cfg!(target_os = "linux")
        && file.is_file()
        && file.len() == 0
        && file.nlink() == 1
        && file.permissions().mode() & 0o600 == 0o600
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::command::Command;

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_of_a_run_is_there_in_the_next() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = || Scratch::new(&Command::builder("true", [""; 0]).scratch(parent.path()).plan).unwrap();
        let used = scratch();
        fs::write(used.input(), "in").unwrap();
        drop(used.open_output().unwrap());
        fs::write(used.result(), "result").unwrap();
        fs::create_dir_all(used.whole().join("other/deep")).unwrap();
        fs::create_dir(used.private().join("left")).unwrap();
        assert!(used.clear().unwrap());
        let kept: &[&str] = if cfg!(target_os = "linux") { &["output", "tmp"] } else { &["tmp"] };
        assert_eq!(names(used.whole()), kept);
        assert!(names(&used.private()).is_empty());
        assert_eq!(used.open_output().unwrap().metadata().unwrap().len(), 0);

        // A second name, which is somebody's; a directory elsewhere; one that others may look into.
        fs::hard_link(used.output(), parent.path().join("second")).unwrap();
        assert!(used.clear().unwrap());
        assert_eq!(names(used.whole()), ["tmp"]);
        fs::remove_dir(used.private()).unwrap();
        std::os::unix::fs::symlink(parent.path(), used.private()).unwrap();
        assert!(!used.clear().unwrap());
        let open = scratch();
        fs::set_permissions(open.whole(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!open.clear().unwrap());
        let gone = scratch();
        fs::remove_dir(gone.private()).unwrap();
        assert!(gone.clear().is_err());
        drop((used, open, gone));
        assert_eq!(names(parent.path()), ["second"]);
    }
}
