//! The files of a store, before it is opened: whether they are all there, and who may read them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::high_water;
use crate::StoreError;
use crate::blobs::{BlobPlace, Refusal, holds, owners};
use crate::folder;
use crate::sqlite::options::SqliteOptions;

/// A file that SQLite has beside the database: `-wal` or `-shm`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The file whose lock says that a process has the database.
pub(crate) fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// The database itself, where `path` is a link to it: what lies beside it, its log and its lock, lies beside that.
pub(crate) fn real(path: &Path) -> PathBuf {
    let Ok(target) = fs::read_link(path) else { return path.to_owned() };
    // Of a link that leads nowhere yet, its target is made.
    path.canonicalize().unwrap_or_else(|_| folder::above(path).join(target))
}

/// How many names the database has, if it is more than one. Under each it would have another log and another lock.
pub(crate) fn names(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|file| file.nlink()).filter(|names| *names > 1)
}

/// Sees to it that there is a database, or nothing that one is missing of: its log alone holds jobs, and to an empty
/// database all payloads would be strangers.
pub(crate) fn prepare(options: &SqliteOptions) -> Result<(), StoreError> {
    let SqliteOptions { path, blobs, .. } = options;
    let place = BlobPlace::from(blobs);
    if let Some(names) = names(path) {
        let why = format!("{} has {names} names (hard links): under each its log would be another", path.display());
        let next =
            "remove the other names; if one is a copy that was meant to be kept, make it with `raincheck backup`";
        return Err(StoreError::Refused { why, next: next.to_owned() });
    }
    // SQLite takes an empty file for a new database, and throws its log away.
    if fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        let looked = || -> io::Result<()> {
            nothing_left(path, blobs)?;
            match holds(blobs)? {
                Some(holds) => Err(Refusal::unmarked(&blobs.display(), &holds, None).into()),
                None => Ok(()),
            }
        };
        looked().map_err(|error| place.unusable(&error))?;
    }
    let unusable = |error: io::Error| StoreError::Other(format!("cannot use {}: {error}", path.display()));
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        // A mask may have taken something from its owner as well.
        Ok(file) => file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(unusable)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(unusable(error)),
    }
    make_private(path);
    Ok(())
}

/// Sees to it that there is a database to be read; where there is none, says what there is instead.
pub(crate) fn find(options: &SqliteOptions) -> Result<(), StoreError> {
    let SqliteOptions { path, blobs, .. } = options;
    in_folder(path)?;
    let shown = path.display();
    let length = match File::open(path).and_then(|file| file.metadata()) {
        Ok(about) if about.is_dir() => {
            let next = "name the folder of the data with --data FOLDER, or its database with --store sqlite:PATH";
            return Err(StoreError::Refused { why: format!("{shown} is a folder"), next: next.to_owned() });
        }
        Ok(about) => about.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(unreadable(path, &error, error.kind() == io::ErrorKind::PermissionDenied)),
    };
    if length > 0 {
        return Ok(());
    }
    nothing_left(path, blobs).map_err(|error| BlobPlace::from(blobs).unusable(&error))?;
    let why = match (folder::above(path).is_dir(), path.exists()) {
        (false, _) => format!("{shown} is missing, and so is its folder"),
        (true, false) => format!("{shown} is missing"),
        (true, true) => format!("{shown} is empty: no server has been started on it, or something has emptied it"),
    };
    Err(StoreError::Refused { why, next: ELSEWHERE.to_owned() })
}

/// Fails where the folder of the database is a file.
pub(crate) fn in_folder(path: &Path) -> Result<(), StoreError> {
    let folder = folder::above(path);
    if !folder.is_file() {
        return Ok(());
    }
    let next = format!("name the folder that holds it: --data {}", folder::above(folder).display());
    Err(StoreError::Refused { why: format!("{} is a file, not a folder", folder.display()), next })
}

/// What to do where there is no data.
pub(crate) const ELSEWHERE: &str =
    "name the data with --data FOLDER or --store URL; if it was there, put it back, or go back to a backup";

/// That a file can't be read, and what to do about it.
pub(crate) fn unreadable(path: &Path, error: &dyn std::fmt::Display, is_forbidden: bool) -> StoreError {
    let next = if is_forbidden {
        "run this as the user of the server: its data is for that user alone"
    } else {
        "if this was the data of a server, keep a copy of it as it is and go back to a backup"
    };
    StoreError::Refused { why: format!("cannot read {}: {error}", path.display()), next: next.to_owned() }
}

/// Fails where something is left of a store whose database is missing or empty.
fn nothing_left(path: &Path, blobs: &Path) -> io::Result<()> {
    let log = beside(path, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(missing(path, &format!("its log {}", log.display())).into());
    }
    if !owners(blobs)?.is_empty() {
        return Err(missing(path, &format!("{}, which holds the payloads of its store,", blobs.display())).into());
    }
    Ok(())
}

/// Takes from others what they may do with the files. The folder is left as it is: it may be anybody's.
fn make_private(path: &Path) {
    for path in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm"), lock_of(path), high_water::path(path)] {
        let path = path.as_path();
        match folder::make_own(path) {
            Ok(true) => tracing::info!(path = %path.display(), "others could read this file; now only its owner can"),
            Ok(false) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, path = %path.display(), "others may be able to read this file"),
        }
    }
    let folder = folder::above(path);
    if fs::metadata(folder).is_ok_and(|about| about.permissions().mode() & 0o022 != 0) {
        tracing::warn!(folder = %folder.display(), "others may write in the data folder, and so replace the data: chmod go-w");
    }
}

fn missing(path: &Path, there: &str) -> Refusal {
    Refusal {
        why: format!("{} is missing or empty, but {there} is there", path.display()),
        next:
            "put the database back, or go back to a backup; to begin anew without its jobs, move that out of the way; \
               for a second store, name another folder"
                .to_owned(),
    }
}
