//! Removes what a program left: however deep it is nested, whatever its permissions are, and never through a link.

use std::{
    ffi::{CStr, CString},
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, chmodat, fchmod, openat, renameat, unlinkat},
    io::Errno,
};

/// To open a directory, and not what a link in its place leads to.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Names that are read at once: there may be any number.
const BATCH: usize = 1_000;

/// Others may be at it as well, and a program that is not gone yet may write: so often it is begun anew for that.
const TRIES: usize = 10;

/// Removes a directory and all in it; one that is not there is removed already. Of a link that took its place the link
/// is removed.
pub(super) fn tree(path: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for _ in 0..TRIES {
        result = try_tree(path);
        match &result {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            _ => return result,
        }
    }
    result
}

fn try_tree(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.is_dir() {
        return fs::remove_file(path);
    }
    let directory = rustix::fs::open(path, DIRECTORY, Mode::empty())?;
    contents(directory.as_fd(), |_| Ok(false))?;
    fs::remove_dir(path)
}

/// What to say of a directory that could not be removed, and what to do about it.
pub(super) fn left(path: &Path, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::DirectoryNotEmpty => "something that its program left still writes to it".to_owned(),
        _ => error.to_string(),
    };
    format!(
        "the temporary directory {} is left behind: {why}; next: end what uses it and remove it by hand",
        path.display()
    )
}

/// Removes what is in a directory but what is to be kept.
pub(super) fn contents(directory: BorrowedFd<'_>, mut keep: impl FnMut(&CStr) -> io::Result<bool>) -> io::Result<()> {
    loop {
        let mut left = true;
        for name in names(directory, BATCH)? {
            if !keep(&name)? {
                entry(directory, &name)?;
                left = false;
            }
        }
        if left {
            return Ok(());
        }
    }
}

/// Removes what has this name in a directory, with all in it.
pub(super) fn entry(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    if !is_left(parent, name)? {
        return Ok(());
    }
    // To walk down takes a descriptor or a frame of the stack for each step, and a program can nest deeper than there
    // are: directories in directories are moved up instead, beside the first one.
    let (mut pending, mut number) = (vec![name.to_owned()], 0_u64);
    while let Some(name) = pending.pop() {
        // A worker and its supervisor may both be at it.
        let Some(directory) = open(parent, &name)? else { continue };
        // Of a directory without the right to write nothing can be removed. If this fails, that says why.
        let _ = fchmod(&directory, Mode::RWXU);
        loop {
            let children = names(&directory, BATCH)?;
            for child in &children {
                if is_left(directory.as_fd(), child)? {
                    pending.extend(lift(directory.as_fd(), child, parent, &mut number)?);
                }
            }
            if children.len() < BATCH {
                break;
            }
        }
        match unlinkat(parent, &name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether there is nothing in a directory that was just opened.
pub(super) fn is_empty(directory: OwnedFd) -> io::Result<bool> {
    for entry in Dir::new(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first names in a directory, at most so many.
pub(super) fn names(directory: impl AsFd, most: usize) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
        if names.len() >= most {
            break;
        }
    }
    Ok(names)
}

/// Removes it if that takes one step; else it is a directory with something in it.
fn is_left(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<bool> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(false),
        // What it is said to be a directory by differs from system to system.
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(false),
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn open(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<OwnedFd>> {
    let mut opened = openat(parent, name, DIRECTORY, Mode::empty());
    if matches!(opened, Err(Errno::ACCESS)) {
        chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
        opened = openat(parent, name, DIRECTORY, Mode::empty());
    }
    match opened {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Moves a directory up under a name that is free, and answers the name; `None` if it is gone.
fn lift(from: BorrowedFd<'_>, name: &CStr, to: BorrowedFd<'_>, number: &mut u64) -> io::Result<Option<CString>> {
    let mut unlocked = false;
    loop {
        let free = CString::new(format!(".removed-{number}"))?;
        *number += 1;
        match renameat(from, name, to, &free) {
            Ok(()) => return Ok(Some(free)),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            // To move a directory changes its `..`, which takes the right to write into it.
            Err(Errno::ACCESS) if !unlocked => {
                chmodat(from, name, Mode::RWXU, AtFlags::empty())?;
                unlocked = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn nothing_is_too_deep_too_locked_or_too_wide() {
        let root = tempfile::tempdir().unwrap();
        let whole = root.path().join("whole");
        fs::create_dir(&whole).unwrap();
        fs::create_dir(whole.join(".removed-0")).unwrap();
        fs::write(whole.join(".removed-0/taken"), "").unwrap();
        fs::write(whole.join(".removed-1"), "").unwrap();
        for many in 0..3 * BATCH {
            fs::write(whole.join(many.to_string()), "").unwrap();
        }
        for wide in 0..50 {
            fs::create_dir_all(whole.join(format!("wide/{wide}/below"))).unwrap();
            fs::write(whole.join(format!("wide/{wide}/below/file")), "").unwrap();
        }
        let locked = whole.join("locked/deeper");
        fs::create_dir_all(&locked).unwrap();
        fs::write(locked.join("file"), "").unwrap();
        for path in [&locked, &whole.join("locked"), &whole.join("wide/7")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o0)).unwrap();
        }
        // Deeper than a path may be long, and than a process may open files.
        let mut above = rustix::fs::open(&whole, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..2_000 {
            rustix::fs::mkdirat(&above, "deeper", Mode::RWXU).unwrap();
            above = openat(&above, "deeper", DIRECTORY, Mode::empty()).unwrap();
        }
        drop(above);
        tree(&whole).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        tree(&whole).unwrap();
    }

    /// A worker and its supervisor, which meet when both end at once.
    #[test]
    fn two_may_remove_the_same() {
        let root = tempfile::tempdir().unwrap();
        let whole = root.path().join("whole");
        for _ in 0..40 {
            for wide in 0..4 {
                fs::create_dir_all(whole.join(format!("{wide}/below/deeper"))).unwrap();
                fs::write(whole.join(format!("{wide}/below/file")), "").unwrap();
            }
            let both = std::sync::Barrier::new(2);
            let at_once = || {
                both.wait();
                tree(&whole)
            };
            let results =
                std::thread::scope(|scope| [scope.spawn(at_once), scope.spawn(at_once)].map(|it| it.join().unwrap()));
            assert!(results.iter().all(Result::is_ok), "{results:?}");
            assert!(!whole.exists());
        }
    }

    #[test]
    fn what_is_left_behind_is_named_with_the_reason_and_the_next_step() {
        let full = left(Path::new("/scratch/raincheck-1"), &io::ErrorKind::DirectoryNotEmpty.into());
        assert!(full.contains("/scratch/raincheck-1 is left behind: something that its program left"), "{full}");
        let locked = left(Path::new("/x"), &io::ErrorKind::PermissionDenied.into());
        assert!(locked.contains("permission denied; next: end what uses it"), "{locked}");
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (mine, other) = (root.path().join("mine"), root.path().join("other"));
        fs::create_dir(&other).unwrap();
        fs::write(other.join("precious"), "").unwrap();
        fs::create_dir(&mine).unwrap();
        symlink(&other, mine.join("link")).unwrap();
        symlink("loop", mine.join("loop")).unwrap();
        symlink("/nowhere", mine.join("dangling")).unwrap();
        tree(&mine).unwrap();
        symlink(&other, &mine).unwrap();
        tree(&mine).unwrap();
        assert!(fs::symlink_metadata(&mine).is_err() && other.join("precious").exists());
    }
}
