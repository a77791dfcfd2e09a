//! Large payloads as files. Everything here blocks.
//!
//! A file is written under `tmp/`, synced, renamed to its place, and its folder synced, before any row refers to it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustix::fs::{FlockOperation, flock};

use super::mark::{self, Hold};
use super::writer::FileWriter;
use crate::blobs::layout::{ORPHANS, TEMPORARY, belongs, is_shard, new_name};
use crate::blobs::lying::Lying;
use crate::blobs::place::BlobPlace;
use crate::blobs::store_id::StoreId;
use crate::folder;

/// The folder of large payloads, which stand in 256 folders within it.
#[derive(Clone, Debug)]
pub(crate) struct BlobFolder {
    root: PathBuf,
    /// Whose it is, and what keeps others out; `None` for a reader.
    held: Option<(StoreId, Arc<File>)>,
    /// How many blobs were moved out of the way since it was opened.
    pub(in crate::blobs) set_aside: Arc<AtomicU64>,
}

impl BlobFolder {
    /// Opens the folder of a store, making it if needed, keeps other processes out of it, and clears what an earlier one
    /// left half written.
    pub(crate) fn open(root: &Path, id: StoreId) -> io::Result<Self> {
        let folder = Self::claim(root, id, Hold::Alone)?;
        folder::make_own(root)?;
        for broken in folder.list(&root.join(TEMPORARY))? {
            folder.discard(&broken.name)?;
        }
        Ok(folder)
    }

    /// Opens a folder that other nodes of the store write into as well: what is half written may be theirs, and is left
    /// alone.
    pub(crate) fn open_shared(root: &Path, id: StoreId) -> io::Result<Self> {
        Self::claim(root, id, Hold::Shared)
    }

    fn claim(root: &Path, id: StoreId, hold: Hold) -> io::Result<Self> {
        folder::make(root)?;
        let held = mark::claim(root, id, hold)?;
        // All at once, so that no blob waits for the name of its folder, nor forgets to.
        let shards = (0..=u8::MAX).map(|shard| format!("{shard:02x}"));
        for name in shards.chain([TEMPORARY.to_owned(), ORPHANS.to_owned()]) {
            folder::make_within(&root.join(name))?;
        }
        File::open(root)?.sync_all()?;
        Ok(BlobFolder { root: root.to_owned(), held: Some((id, Arc::new(held))), set_aside: Arc::default() })
    }

    /// The folder as it lies, for a reader that must not touch it.
    pub(crate) fn at(root: &Path) -> Self {
        BlobFolder { root: root.to_owned(), held: None, set_aside: Arc::default() }
    }

    /// Lets other processes in, though somebody may still hold a copy of this.
    pub(crate) fn release(&self) -> io::Result<()> {
        match &self.held {
            Some((_, file)) => Ok(flock(file, FlockOperation::Unlock)?),
            None => Ok(()),
        }
    }

    /// Whether it is still there, and still this store's.
    pub(crate) fn is_ours(&self) -> io::Result<bool> {
        match self.held {
            Some((id, _)) => mark::owners(&self.root).map(|owners| owners.contains(&id)),
            None => Ok(true),
        }
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folders within it that hold finished blobs.
    pub(crate) fn shards(&self) -> io::Result<Vec<PathBuf>> {
        let mut shards = Vec::new();
        for shard in fs::read_dir(&self.root)? {
            let shard = shard?;
            if shard.file_name().to_str().is_some_and(is_shard) && shard.path().is_dir() {
                shards.push(shard.path());
            }
        }
        Ok(shards)
    }

    /// Every folder within it, that of half-written files as well.
    pub(in crate::blobs) fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let mut folders = self.shards()?;
        folders.extend(Some(self.root.join(TEMPORARY)).filter(|tmp| tmp.is_dir()));
        Ok(folders)
    }

    /// The blobs in one of the folders within it; whatever else lies there is not ours.
    pub(crate) fn list(&self, within: &Path) -> io::Result<Vec<Lying>> {
        let finished = !within.ends_with(TEMPORARY);
        let mut all = Vec::new();
        for file in fs::read_dir(within)? {
            let file = file?;
            let name = file.file_name();
            let Some(name) = name.to_str().filter(|name| belongs(name, within)) else { continue };
            let about = match file.metadata() {
                // One that was removed meanwhile does not lie there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                about => about?,
            };
            if about.is_file() {
                all.push(Lying { name: name.into(), size: about.len(), written: about.modified().ok(), finished });
            }
        }
        Ok(all)
    }

    /// Some of what lies there and is none of ours, by the path within it.
    pub(crate) fn strangers(&self, most: usize) -> io::Result<Vec<String>> {
        let mut strangers = Vec::new();
        let mut look = |folder: &Path, above: &str, is_known: &dyn Fn(&str, &fs::DirEntry) -> bool| {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let name = entry.file_name();
                if strangers.len() < most && !name.to_str().is_some_and(|name| is_known(name, &entry)) {
                    strangers.push(format!("{above}{}", name.to_string_lossy()));
                }
            }
            io::Result::Ok(())
        };
        look(&self.root, "", &|name, _| {
            is_shard(name) || name == TEMPORARY || name == ORPHANS || mark::is_expected(name)
        })?;
        for folder in self.folders()?.into_iter().chain(Some(self.root.join(ORPHANS)).filter(|aside| aside.is_dir())) {
            let above = format!("{}/", folder.file_name().unwrap_or_default().to_string_lossy());
            look(&folder, &above, &|name, entry| {
                belongs(name, &folder) && entry.file_type().is_ok_and(|kind| kind.is_file())
            })?;
        }
        Ok(strangers)
    }

    /// Lets a store in that takes over from `old`, where its payloads are to be in this folder too; answers whether they are.
    pub(crate) fn admit(&self, to: &BlobPlace, old: Option<StoreId>, new: StoreId) -> io::Result<bool> {
        let owners = mark::owners(&self.root)?;
        let is_old = old.is_some_and(|old| owners.contains(&old));
        let is_here = match to {
            BlobPlace::Folder(folder) => match (fs::canonicalize(folder), fs::canonicalize(&self.root)) {
                (Ok(there), Ok(here)) => there == here,
                _ => false,
            },
            #[cfg(feature = "s3")]
            BlobPlace::Bucket(_) => false,
        };
        if is_old && is_here {
            let mut owners = owners;
            owners.retain(|owner| *owner != new);
            owners.push(new);
            mark::rewrite(&self.root, &owners)?;
        }
        Ok(is_here)
    }

    /// Leaves the folder to one store alone.
    pub(crate) fn pass_to(&self, new: StoreId) -> io::Result<()> {
        mark::rewrite(&self.root, &[new])
    }

    /// What lies there that is not finished.
    pub(in crate::blobs) fn list_half_written(&self) -> io::Result<Vec<Lying>> {
        self.list(&self.root.join(TEMPORARY))
    }

    /// Starts a new file.
    pub(crate) fn create(&self) -> io::Result<FileWriter> {
        let name = new_name();
        let temporary = self.root.join(TEMPORARY).join(&*name);
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&temporary)?;
        Ok(FileWriter::new(file, temporary, self.root.clone(), name))
    }

    /// Where a blob lies.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let shard = name.get(..2).unwrap_or("00");
        self.root.join(shard).join(name)
    }

    /// Gives a blob a second name, so that two jobs may own it one by one.
    pub(crate) fn duplicate(&self, name: &str) -> io::Result<Box<str>> {
        let copy = new_name();
        let target = self.path(&copy);
        let folder = target.parent().ok_or_else(|| io::Error::other("a blob has a folder"))?.to_owned();
        fs::hard_link(self.path(name), &target)?;
        let synced = File::open(&folder).and_then(|folder| folder.sync_all());
        if synced.is_err() {
            gone(&target)?;
        }
        synced.map(|()| copy)
    }

    /// Removes a blob; one that is gone already is fine.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        gone(&self.path(name))
    }

    /// Removes what was left half written under a name.
    pub(crate) fn discard(&self, name: &str) -> io::Result<()> {
        gone(&self.root.join(TEMPORARY).join(name))
    }

    /// Copies a blob to the disk of another folder; `None` when it is gone, `false` when it was there already. Its name
    /// is on disk after [`BlobFolder::sync`].
    pub(crate) fn copy_to(&self, other: &BlobFolder, name: &str) -> io::Result<Option<bool>> {
        let mut source = match File::open(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            source => source?,
        };
        let target = other.path(name);
        if fs::metadata(&target).is_ok_and(|there| source.metadata().is_ok_and(|from| from.len() == there.len())) {
            return Ok(Some(false));
        }
        // Under its name when it is whole, not before.
        let partial = other.root.join(TEMPORARY).join(name);
        let mut copy = File::options().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        io::copy(&mut source, &mut copy)?;
        copy.sync_all()?;
        fs::rename(&partial, &target)?;
        Ok(Some(true))
    }

    /// Every name in it is on disk from here on.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.shards()?.iter().try_for_each(|shard| File::open(shard)?.sync_all())
    }

    /// Bytes free on the file system that holds the blobs.
    pub(crate) fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Removes a file; one that is gone already is fine. The error says which it was.
pub(in crate::blobs) fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_there_after_finish_and_gone_without() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobFolder::open(folder.path(), StoreId::fresh()).unwrap();
        let mut kept = blobs.create().unwrap();
        kept.write(b"hello ").unwrap();
        kept.write(b"world").unwrap();
        let name = kept.finish().unwrap();
        let mut dropped = blobs.create().unwrap();
        dropped.write(b"x").unwrap();
        drop(dropped);
        assert_eq!(fs::read(blobs.path(&name)).unwrap(), b"hello world");
        assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);

        let copy = blobs.duplicate(&name).unwrap();
        blobs.remove(&name).unwrap();
        assert_eq!(fs::read(blobs.path(&copy)).unwrap(), b"hello world");
        blobs.remove(&copy).unwrap();
        blobs.remove(&copy).unwrap();
        assert!(blobs.free_bytes().unwrap() > 0);
    }
}
