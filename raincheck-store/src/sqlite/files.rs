//! The files of a store, before it is opened: whether they are all there, and who may read them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{SqliteOptions, high_water};
use crate::StoreError;
use crate::blobs::{BlobPlace, Refusal, holds, owners};
use crate::folder;

/// A file that SQLite has beside the database: `-wal` or `-shm`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The file whose lock says that a process has the database.
pub(super) fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

/// Sees to it that there is a database, or nothing that one is missing of: its log alone holds jobs, and to an empty
/// database all payloads would be strangers.
pub(super) fn prepare(options: &SqliteOptions) -> Result<(), StoreError> {
    let SqliteOptions { path, blobs, .. } = options;
    let place = BlobPlace::from(blobs);
    // SQLite takes an empty file for a new database, and throws its log away.
    if fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        let looked = || -> io::Result<()> {
            let log = beside(path, "-wal");
            if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
                return Err(missing(path, &format!("its log {}", log.display())).into());
            }
            if !owners(blobs)?.is_empty() {
                return Err(
                    missing(path, &format!("{}, which holds the payloads of its store,", blobs.display())).into()
                );
            }
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
