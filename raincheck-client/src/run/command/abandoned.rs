//! Temporary directories that nobody holds any more: whoever made one was killed, or could not remove it.
//!
//! Whoever uses one holds a shared lock on it (flock(2)), which ends with the last process that has it, however that ends.
//! One that bears the name and the sign, and that nobody holds, is abandoned.

use std::{
    fs, io,
    os::{fd::AsFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FlockOperation, Mode, flock, fstat, open, statat},
    io::Errno,
    process::geteuid,
};

use super::remove::{self, DIRECTORY};

/// The name of a run's own directory begins so.
pub(super) const PREFIX: &str = "raincheck-run-";
/// What is in each of them: its sign.
pub(super) const PRIVATE_NAME: &str = "tmp";

/// Letters and digits behind the beginning of a name, as `tempfile` and `mktemp` make them.
const RANDOM: usize = 6;

/// Holds a directory until its last descriptor is closed. It gets its sign after that. Where the file system knows no such
/// locks nothing is held, and nothing is swept.
///
/// # Errors
/// When somebody removes it.
pub fn hold(directory: impl AsFd) -> io::Result<()> {
    match flock(directory, FlockOperation::NonBlockingLockShared) {
        Err(error @ Errno::WOULDBLOCK) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Removes what was abandoned in `parent`: directories of this user alone, named `prefix` and six letters, in which there
/// is something called `sign`. Answers how many there were.
///
/// # Errors
/// When `parent` cannot be read. One that cannot be removed is named in the log.
pub fn sweep(parent: &Path, prefix: &str, sign: &str) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let random = name.as_bytes().strip_prefix(prefix.as_bytes());
        if !random.is_some_and(|random| random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric)) {
            continue;
        }
        match remove_if_abandoned(&entry.path(), sign) {
            Ok(was) => removed += usize::from(was),
            Err(error) => {
                tracing::warn!(%error, path = %entry.path().display(), "cannot remove an abandoned directory");
            }
        }
    }
    Ok(removed)
}

fn remove_if_abandoned(path: &Path, sign: &str) -> io::Result<bool> {
    let directory = match open(path, DIRECTORY, Mode::empty()) {
        Ok(directory) => directory,
        // Gone, a link, or somebody else's.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let about = fstat(&directory)?;
    // The sign first: it is made when the lock is there, so nobody finds the directory locked who is about to hold it.
    let ours = about.st_uid == geteuid().as_raw()
        && about.st_mode & 0o7777 == 0o700
        && statat(&directory, sign, AtFlags::SYMLINK_NOFOLLOW).is_ok();
    if !ours || flock(&directory, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    remove::tree(path)?;
    Ok(true)
}

/// Removes what workers abandoned there, beside what goes on.
pub(super) fn sweep_beside(parent: PathBuf) {
    let sweep = move || match sweep(&parent, PREFIX, PRIVATE_NAME) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed temporary directories that killed workers left"),
        Err(error) => tracing::warn!(%error, "cannot look for temporary directories that killed workers left"),
    };
    if let Err(error) = std::thread::Builder::new().spawn(sweep) {
        tracing::debug!(%error, "no thread to look for temporary directories that killed workers left");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn only_what_is_ours_and_held_by_nobody_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str, mode: u32| {
            let path = parent.path().join(name);
            fs::create_dir_all(path.join("tmp/deep")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let left = [make("p-abc123", 0o700), make("p-ABCxyz", 0o700)];
        let held = make("p-abc124", 0o700);
        let holds = open(&held, DIRECTORY, Mode::empty()).unwrap();
        hold(&holds).unwrap();
        let mut kept = vec![held.clone(), make("p-abc12", 0o700), make("p-abc1234", 0o700), make("p-abc-12", 0o700)];
        kept.extend([make("q-abc123", 0o700), make("p-open12", 0o755), make("elsewhere", 0o700)]);
        let unsigned = make("p-unsign", 0o700);
        fs::rename(unsigned.join("tmp"), unsigned.join("data")).unwrap();
        let link = parent.path().join("p-linked");
        symlink(parent.path().join("elsewhere"), &link).unwrap();
        kept.extend([unsigned, link]);
        assert_eq!(sweep(parent.path(), "p-", "tmp").unwrap(), left.len());
        assert!(!left.iter().any(|path| path.exists()));
        for path in &kept {
            assert!(fs::symlink_metadata(path).is_ok(), "{}", path.display());
        }
        // Another holds it, too: it is given up when the last one is gone.
        let second = open(&held, DIRECTORY, Mode::empty()).unwrap();
        hold(&second).unwrap();
        drop(holds);
        assert_eq!(sweep(parent.path(), "p-", "tmp").unwrap(), 0);
        drop(second);
        assert_eq!(sweep(parent.path(), "p-", "tmp").unwrap(), 1);
    }
}
