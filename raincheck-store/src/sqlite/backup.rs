//! A copy of all data as of one moment, made beside the server that has it or without one.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::shared::other;
use super::visit::Visit;
use super::{SqliteOptions, SqliteStore};
use super::{open, orphans};
use crate::StoreError;
use crate::blobs::BlobFolder;

/// Rounds of copying files before the database is copied: the last has only those that came during the one before.
const ROUNDS: usize = 3;
/// Files of one round that are few enough to go on.
const FEW: u64 = 16;
/// Copies of the database that are made before giving up, each of a later moment. Only a job that came and was purged
/// around such a moment makes another necessary; where many do, the database is small and a copy takes a moment.
const COPIES: usize = 100;

/// Pause before a database is tried again that can't be read right now.
const BUSY: Duration = Duration::from_millis(50);

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackedUp {
    /// Size of the database, bytes.
    pub database: u64,
    /// Large payloads.
    pub files: u64,
    /// Their size, bytes.
    pub bytes: u64,
}

impl SqliteStore {
    /// Copies the data of `options` into the new folder `to`, as of one moment during this call, so that a store opens
    /// there with [`SqliteOptions::in_folder`]. The folder appears under its name when all of it is on disk, not before.
    ///
    /// # Errors
    /// When there is no such data, `to` exists, or something can't be read or written.
    pub fn backup(options: &SqliteOptions, to: &Path) -> Result<BackedUp, StoreError> {
        let visit = Visit::of(&options.path)?;
        let written = |e: io::Error| match e.kind() {
            io::ErrorKind::StorageFull => StoreError::NoSpace,
            _ => StoreError::Other(format!("cannot write {}: {e}", to.display())),
        };
        if fs::symlink_metadata(to).is_ok() {
            return Err(StoreError::Other(format!("{} is there already, and is left alone", to.display())));
        }
        let partial = partial(to);
        DirBuilder::new().mode(0o700).create(&partial).map_err(written)?;
        let made = copy(&visit, &BlobFolder::at(&options.blobs), &partial).and_then(|made| {
            // Not `rename` alone: it would take the place of an empty folder that came meanwhile.
            rustix::fs::renameat_with(
                rustix::fs::CWD,
                &partial,
                rustix::fs::CWD,
                to,
                rustix::fs::RenameFlags::NOREPLACE,
            )
            .map_err(|e| written(e.into()))?;
            sync_folder(to.parent()).map_err(written)?;
            Ok(made)
        });
        if made.is_err()
            && let Err(error) = fs::remove_dir_all(&partial)
        {
            tracing::warn!(%error, folder = %partial.display(), "what there is of the backup stays");
        }
        made
    }
}

fn partial(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Files first: they never change, but they go when their job is purged. What is there before the moment of the
/// database's copy can be taken at leisure, and little is left to be taken after it.
fn copy(visit: &Visit, from: &BlobFolder, partial: &Path) -> Result<BackedUp, StoreError> {
    let never_served = || StoreError::Other("no server has been started on it yet".to_owned());
    let id = open::id(&visit.db).map_err(other)?.ok_or_else(never_served)?;
    let to = BlobFolder::open(&partial.join("blobs"), id).map_err(failed)?;
    for _ in 0..ROUNDS {
        if copy_files(from, &to).map_err(failed)? <= FEW {
            break;
        }
    }
    let path = partial.join("raincheck.db");
    File::options().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    for _ in 0..COPIES {
        let copy = copy_database(&visit.db, &path).map_err(other)?;
        if let Some(done) = complete(&copy, from, &to)? {
            copy.close().map_err(|(_, e)| other(e))?;
            let file = File::open(&path).map_err(failed)?;
            file.sync_all().map_err(failed)?;
            let database = file.metadata().map_err(failed)?.len();
            sync_folder(Some(&partial.join("blobs"))).and_then(|()| sync_folder(Some(partial))).map_err(failed)?;
            return Ok(BackedUp { database, ..done });
        }
    }
    Err(StoreError::Other("jobs are purged faster than their files can be copied; try again later".to_owned()))
}

/// Copies finished blobs that are not there yet; answers how many.
fn copy_files(from: &BlobFolder, to: &BlobFolder) -> io::Result<u64> {
    let mut copied = 0;
    for shard in from.shards()? {
        for file in from.list(&shard)? {
            copied += u64::from(from.copy_to(to, &file.name)?.is_some_and(|new| new));
        }
    }
    Ok(copied)
}

/// Copies the database in one go, so that it is of one moment. Its log grows meanwhile by what is written.
fn copy_database(from: &Connection, path: &Path) -> rusqlite::Result<Connection> {
    let mut copy = Connection::open(path)?;
    while Backup::new(from, &mut copy)?.step(-1)? != StepResult::Done {
        std::thread::sleep(BUSY);
    }
    Ok(copy)
}

/// Copies what is still missing and takes away what no job of the copy refers to; `None` when a job was purged since.
fn complete(copy: &Connection, from: &BlobFolder, to: &BlobFolder) -> Result<Option<BackedUp>, StoreError> {
    let mut done = BackedUp::default();
    let mut names = copy.prepare("SELECT name FROM blob").map_err(other)?;
    let mut rows = names.query([]).map_err(other)?;
    while let Some(row) = rows.next().map_err(other)? {
        let name: Box<str> = row.get(0).map_err(other)?;
        if from.copy_to(to, &name).map_err(failed)?.is_none() {
            return Ok(None);
        }
        done.files += 1;
        done.bytes += fs::metadata(to.path(&name)).map_err(failed)?.len();
    }
    for name in orphans::unknown(copy, to)? {
        to.remove(&name).map_err(failed)?;
    }
    to.sync().map_err(failed)?;
    Ok(Some(done))
}

pub(crate) fn failed(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull => StoreError::NoSpace,
        _ => StoreError::Other(format!("cannot copy: {error}")),
    }
}

fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
