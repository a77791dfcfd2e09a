//! Large payloads as files. Everything here blocks.
//!
//! A file is written under `tmp/`, synced, renamed to its place, and its folder synced, before any row refers to it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{Lying, new_name};
use crate::folder;

/// The folder of large payloads, which stand in 256 folders within it.
#[derive(Clone, Debug)]
pub(crate) struct BlobFolder {
    root: PathBuf,
}

/// A file being written. Dropping it without [`FileWriter::finish`] removes what was written.
#[derive(Debug)]
pub(crate) struct FileWriter {
    file: File,
    temporary: PathBuf,
    root: PathBuf,
    name: Box<str>,
    finished: bool,
}

impl BlobFolder {
    /// Opens the folder, making it if needed, and clears what an earlier process left half written.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        let temporary = root.join("tmp");
        if temporary.exists() {
            fs::remove_dir_all(&temporary)?;
        }
        folder::make(root)?;
        fs::create_dir(&temporary)?;
        // All at once, so that no blob waits for the name of its folder, nor forgets to.
        for shard in 0..=u8::MAX {
            let shard = root.join(format!("{shard:02x}"));
            if !shard.is_dir() {
                fs::create_dir(shard)?;
            }
        }
        File::open(root)?.sync_all()?;
        Ok(BlobFolder { root: root.to_owned() })
    }

    /// Opens a folder that other processes write into as well: what is half written may be theirs, and is left alone.
    pub(crate) fn open_shared(root: &Path) -> io::Result<Self> {
        folder::make(root)?;
        for name in (0..=u8::MAX).map(|shard| format!("{shard:02x}")).chain(["tmp".to_owned()]) {
            match fs::create_dir(root.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        File::open(root)?.sync_all()?;
        Ok(BlobFolder { root: root.to_owned() })
    }

    /// The folder as it lies, for a reader that must not touch it.
    pub(crate) fn at(root: &Path) -> Self {
        BlobFolder { root: root.to_owned() }
    }

    /// The folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folders within it that hold finished blobs.
    pub(crate) fn shards(&self) -> io::Result<Vec<PathBuf>> {
        let mut shards = Vec::new();
        for shard in fs::read_dir(&self.root)? {
            let shard = shard?.path();
            if shard.is_dir() && !shard.ends_with("tmp") {
                shards.push(shard);
            }
        }
        Ok(shards)
    }

    /// Every folder within it, that of half-written files as well.
    pub(super) fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let mut folders = self.shards()?;
        folders.extend(Some(self.root.join("tmp")).filter(|tmp| tmp.is_dir()));
        Ok(folders)
    }

    /// What lies in one of the folders within it.
    pub(super) fn list(&self, within: &Path) -> io::Result<Vec<Lying>> {
        let finished = !within.ends_with("tmp");
        let mut all = Vec::new();
        for file in fs::read_dir(within)? {
            let file = file?;
            let name = file.file_name();
            // One that was removed meanwhile does not lie there, and one with another sort of name is not ours.
            if let (Ok(about), Some(name)) = (file.metadata(), name.to_str()) {
                all.push(Lying { name: name.into(), size: about.len(), written: about.modified().ok(), finished });
            }
        }
        Ok(all)
    }

    /// What lies there that is not finished.
    pub(super) fn list_half_written(&self) -> io::Result<Vec<Lying>> {
        self.list(&self.root.join("tmp"))
    }

    /// Starts a new file.
    pub(crate) fn create(&self) -> io::Result<FileWriter> {
        let name = new_name();
        let temporary = self.root.join("tmp").join(&*name);
        let file = File::options().read(true).write(true).create_new(true).open(&temporary)?;
        Ok(FileWriter { file, temporary, root: self.root.clone(), name, finished: false })
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
        File::open(&folder)?.sync_all()?;
        Ok(copy)
    }

    /// Removes a blob; one that is gone already is fine.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        gone(&self.path(name))
    }

    /// Removes what was left half written under a name.
    pub(crate) fn discard(&self, name: &str) -> io::Result<()> {
        gone(&self.root.join("tmp").join(name))
    }

    /// Copies a blob to the disk of another folder; `None` when it is gone, `false` when it was there already. Its name
    /// is on disk after [`BlobFolder::sync`].
    pub(crate) fn copy_to(&self, other: &BlobFolder, name: &str) -> io::Result<Option<bool>> {
        let target = other.path(name);
        if target.exists() {
            return Ok(Some(false));
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::copy(self.path(name), &target) {
            Ok(_) => File::open(&target)?.sync_all().map(|()| Some(true)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every name in it is on disk from here on.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.shards()?.iter().try_for_each(|shard| File::open(shard)?.sync_all())
    }

    /// Removes every blob that `is_known` denies; answers how many. For the start, before anything is written.
    pub(crate) fn sweep(&self, mut is_known: impl FnMut(&str) -> bool) -> io::Result<usize> {
        let mut swept = 0;
        for shard in self.shards()? {
            for file in fs::read_dir(&shard)? {
                let file = file?;
                let known = file.file_name().to_str().is_some_and(&mut is_known);
                if !known {
                    fs::remove_file(file.path())?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    /// Bytes free on the file system that holds the blobs.
    pub(crate) fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl FileWriter {
    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes the blob durable and answers its name.
    pub(super) fn finish(mut self) -> io::Result<Box<str>> {
        self.file.sync_all()?;
        let folder = self.root.join(&self.name[..2]);
        fs::rename(&self.temporary, folder.join(&*self.name))?;
        self.finished = true;
        File::open(&folder)?.sync_all()?;
        Ok(self.name.clone())
    }
}

/// Removes a file; one that is gone already is fine. The error says which it was.
fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = fs::remove_file(&self.temporary)
        {
            tracing::warn!(%error, file = %self.temporary.display(), "a half-written payload stays until the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_there_after_finish_and_gone_without() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = BlobFolder::open(folder.path()).unwrap();
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
        assert_eq!(blobs.sweep(|n| n == &*copy).unwrap(), 1);
        assert_eq!(fs::read(blobs.path(&copy)).unwrap(), b"hello world");
        blobs.remove(&copy).unwrap();
        blobs.remove(&copy).unwrap();
        assert!(blobs.free_bytes().unwrap() > 0);
    }
}
