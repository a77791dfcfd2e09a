//! A copy of all data as of one moment, made beside the server that has it or without one.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use raincheck_core::Digest;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::disk::read_only::{ReadOnly, open_read_only};
use super::error::other;
use super::options::SqliteOptions;
use super::orphans;
use super::store::SqliteStore;
use super::tables::{meta, rows};
use crate::StoreError;
use crate::blobs::BlobFolder;
use crate::rules::Hash;

/// Rounds of copying files before the database is copied: the last has only those that came during the one before.
const ROUNDS: usize = 3;
/// Files of one round that are few enough to go on.
const FEW: u64 = 16;
/// Copies of the database that are made before giving up, each of a later moment. Only a job that came and was purged
/// around such a moment makes another necessary; where many do, the database is small and a copy takes a moment.
const COPIES: usize = 100;

/// Read of a file at once, bytes.
const PIECE: usize = 256 << 10;
/// Pause before a database is tried again that can't be read right now.
const BUSY: Duration = Duration::from_millis(50);

/// What a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackedUp {
    /// Size of the database, bytes.
    pub database: u64,
    /// Large payloads that were copied.
    pub files: u64,
    /// Their size, bytes.
    pub bytes: u64,
    /// Those that are not what was written. What could be read of them is in the copy as it is.
    pub damaged: Vec<Damaged>,
}

/// A large payload that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Id of the job that it belongs to.
    pub job: Box<str>,
    /// What is wrong with it.
    pub detail: Box<str>,
}

impl SqliteStore {
    /// Copies the data of `options` into the new folder `to`, as of one moment during this call, so that a store opens
    /// there with [`SqliteOptions::in_folder`]. The folder appears under its name when all of it is on disk, not before.
    /// Large payloads are compared with their digests; a damaged one is reported and does not keep the rest from being
    /// copied.
    ///
    /// # Errors
    /// When there is no such data, `to` exists, or something can't be read or written.
    pub fn backup(options: &SqliteOptions, to: &Path) -> Result<BackedUp, StoreError> {
        let data = open_read_only(options)?;
        let written = |e: io::Error| match e.kind() {
            io::ErrorKind::StorageFull => StoreError::NoSpace,
            _ => StoreError::Other(format!("cannot write {}: {e}", to.display())),
        };
        if fs::symlink_metadata(to).is_ok() {
            return Err(StoreError::Other(format!("{} is there already, and is left alone", to.display())));
        }
        let partial = partial(to);
        DirBuilder::new().mode(0o700).create(&partial).map_err(written)?;
        let made = copy(&data, &BlobFolder::at(&options.blobs), &partial).and_then(|made| {
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
fn copy(data: &ReadOnly, from: &BlobFolder, partial: &Path) -> Result<BackedUp, StoreError> {
    let never_served = || StoreError::Other("no server has been started on it yet".to_owned());
    let id = meta::id(&data.db).map_err(other)?.ok_or_else(never_served)?;
    let to = BlobFolder::open(&partial.join("blobs"), id).map_err(failed)?;
    let mut files = Files { from, to: &to, copied: HashMap::new(), gone: HashSet::new() };
    for _ in 0..ROUNDS {
        if files.copy_all().map_err(failed)? <= FEW {
            break;
        }
    }
    let path = partial.join("raincheck.db");
    File::options().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
    for _ in 0..COPIES {
        let copy = copy_database(&data.db, &path).map_err(other)?;
        if let Some(done) = files.complete(&copy)? {
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

/// Copies the database in one go, so that it is of one moment. Its log grows meanwhile by what is written.
fn copy_database(from: &Connection, path: &Path) -> rusqlite::Result<Connection> {
    let mut copy = Connection::open(path)?;
    while Backup::new(from, &mut copy)?.step(-1)? != StepResult::Done {
        std::thread::sleep(BUSY);
    }
    Ok(copy)
}

/// Large payloads on their way into the copy.
struct Files<'a> {
    from: &'a BlobFolder,
    to: &'a BlobFolder,
    /// What came, by its name.
    copied: HashMap<Box<str>, Came>,
    /// Those that were not there when an earlier copy of the database referred to them.
    gone: HashSet<Box<str>>,
}

/// What came of a file.
enum Came {
    /// So many bytes of this digest.
    Whole(u64, Digest),
    /// Nothing: the disk does not give it back.
    Unreadable(String),
}

impl Files<'_> {
    /// Copies finished blobs that are not there yet; answers how many.
    fn copy_all(&mut self) -> io::Result<u64> {
        let mut copied = 0;
        for shard in self.from.shards()? {
            for file in self.from.list(&shard)? {
                copied += u64::from(!self.copied.contains_key(&file.name) && self.copy(&file.name)?);
            }
        }
        Ok(copied)
    }

    /// Copies a blob, which has its name on disk after [`BlobFolder::sync`]; answers whether it was there.
    fn copy(&mut self, name: &str) -> io::Result<bool> {
        // Under its name when it is whole, not before.
        let partial = self.to.root().join("partial");
        let came = match File::open(self.from.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => Came::Unreadable(error.to_string()),
            Ok(mut source) => copy_bytes(&mut source, &partial)?,
        };
        if matches!(came, Came::Whole(..)) {
            fs::rename(&partial, self.to.path(name))?;
        }
        self.copied.insert(name.into(), came);
        Ok(true)
    }

    /// Copies what is still missing, takes away what no job of the copy refers to, and judges the rest; `None` when a job
    /// may have been purged since.
    fn complete(&mut self, copy: &Connection) -> Result<Option<BackedUp>, StoreError> {
        let mut done = BackedUp::default();
        let mut is_whole = true;
        let sql = format!("SELECT b.name, b.digest, {} FROM blob b LEFT JOIN job j ON j.no=b.no", rows::ID_TEXT);
        let mut referred = copy.prepare(&sql).map_err(other)?;
        let mut rows = referred.query([]).map_err(other)?;
        while let Some(row) = rows.next().map_err(other)? {
            let (name, digest): (Box<str>, Option<Digest>) = (row.get(0).map_err(other)?, row.get(1).map_err(other)?);
            if !self.copied.contains_key(&name) {
                self.copy(&name).map_err(failed)?;
            }
            let detail = match self.copied.get(&name) {
                Some(Came::Whole(bytes, found)) => {
                    done.files += 1;
                    done.bytes += bytes;
                    if digest.is_none_or(|digest| digest == *found) {
                        continue;
                    }
                    format!("the file {name} is not what was written")
                }
                Some(Came::Unreadable(why)) => format!("the file {name} can't be read: {why}"),
                // The row of a purged job goes before its file: one that a later copy still has was not purged.
                None if self.gone.contains(&name) => format!("the file {name} is missing"),
                None => {
                    is_whole = false;
                    self.gone.insert(name);
                    continue;
                }
            };
            done.damaged.push(Damaged { job: row.get(2).map_err(other)?, detail: detail.into() });
        }
        if !is_whole {
            return Ok(None);
        }
        for name in orphans::unknown(copy, self.to)? {
            self.to.remove(&name).map_err(failed)?;
        }
        self.to.sync().map_err(failed)?;
        Ok(Some(done))
    }
}

/// Copies all of a file to the disk. An error is one of the copy: a source that can't be read is told of.
fn copy_bytes(source: &mut File, to: &Path) -> io::Result<Came> {
    let mut copy = File::options().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    let (mut piece, mut hash, mut bytes) = (vec![0; PIECE], Hash::default(), 0);
    loop {
        match source.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => {
                copy.write_all(&piece[..read])?;
                hash.add(&piece[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                fs::remove_file(to)?;
                return Ok(Came::Unreadable(error.to_string()));
            }
        }
    }
    copy.sync_all()?;
    Ok(Came::Whole(bytes, hash.end()))
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
