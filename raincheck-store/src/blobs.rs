use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use uuid::Uuid;

use crate::folder;

/// Large payloads as files, under names the server makes.
///
/// A file is written under `tmp/`, synced, renamed to its place, and its folder synced, before any row refers to
/// it; a file no row refers to is an orphan, swept at start.
#[derive(Clone, Debug)]
pub struct Blobs {
    root: PathBuf,
}

/// A blob being written. Dropping it without [`BlobWriter::finish`] removes what was written.
#[derive(Debug)]
pub struct BlobWriter {
    file: File,
    temporary: PathBuf,
    root: PathBuf,
    name: Box<str>,
    size: u64,
    finished: bool,
}

impl Blobs {
    /// Opens the folder, making it if needed, and clears what an earlier process left half written.
    pub fn open(root: &Path) -> io::Result<Self> {
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
        Ok(Blobs { root: root.to_owned() })
    }

    /// Opens a folder that other processes write into as well: what is half written may be theirs, and is left alone.
    pub fn open_shared(root: &Path) -> io::Result<Self> {
        folder::make(root)?;
        for name in (0..=u8::MAX).map(|shard| format!("{shard:02x}")).chain(["tmp".to_owned()]) {
            match fs::create_dir(root.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        File::open(root)?.sync_all()?;
        Ok(Blobs { root: root.to_owned() })
    }

    /// Now, by the clock of the file system: that may be another machine's.
    pub(crate) fn moment(&self) -> io::Result<SystemTime> {
        let about = self.create()?.file.metadata()?;
        about.modified()
    }

    /// Names of blobs that were last written to by then; what was left half written by then is removed.
    pub(crate) fn written_by(&self, then: SystemTime) -> io::Result<Vec<Box<str>>> {
        let is_old = |file: &fs::DirEntry| {
            let modified = file.metadata().and_then(|about| about.modified());
            modified.is_ok_and(|at| at <= then)
        };
        for file in fs::read_dir(self.root.join("tmp"))? {
            let file = file?;
            if is_old(&file) {
                fs::remove_file(file.path())?;
            }
        }
        let mut old = Vec::new();
        for shard in self.shards()? {
            for file in fs::read_dir(&shard)? {
                let file = file?;
                let name = file.file_name();
                old.extend(name.to_str().filter(|_| is_old(&file)).map(Box::from));
            }
        }
        Ok(old)
    }

    /// The folder as it lies, for a reader that must not touch it.
    pub(crate) fn at(root: &Path) -> Self {
        Blobs { root: root.to_owned() }
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

    /// Starts a new blob.
    pub fn create(&self) -> io::Result<BlobWriter> {
        let name: Box<str> = Uuid::from_u128(rand::random()).simple().to_string().into();
        let temporary = self.root.join("tmp").join(&*name);
        let file = File::options().read(true).write(true).create_new(true).open(&temporary)?;
        Ok(BlobWriter { file, temporary, root: self.root.clone(), name, size: 0, finished: false })
    }

    /// Opens a blob for reading.
    pub fn read(&self, name: &str) -> io::Result<File> {
        File::open(self.path(name))
    }

    /// Where a blob lies.
    pub fn path(&self, name: &str) -> PathBuf {
        let shard = name.get(..2).unwrap_or("00");
        self.root.join(shard).join(name)
    }

    /// Gives a blob a second name, so that two jobs may own it one by one.
    pub fn duplicate(&self, name: &str) -> io::Result<Box<str>> {
        let copy: Box<str> = Uuid::from_u128(rand::random()).simple().to_string().into();
        let target = self.path(&copy);
        let folder = target.parent().ok_or_else(|| io::Error::other("a blob has a folder"))?.to_owned();
        fs::hard_link(self.path(name), &target)?;
        File::open(&folder)?.sync_all()?;
        Ok(copy)
    }

    /// Removes a blob; one that is gone already is fine.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        }
    }

    /// Removes every blob that `is_known` denies; answers how many. For the start, before anything is written.
    pub fn sweep(&self, mut is_known: impl FnMut(&str) -> bool) -> io::Result<usize> {
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
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.root)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl BlobWriter {
    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Makes the blob durable and answers its name.
    pub fn finish(mut self) -> io::Result<Box<str>> {
        self.file.sync_all()?;
        let folder = self.root.join(&self.name[..2]);
        fs::rename(&self.temporary, folder.join(&*self.name))?;
        self.finished = true;
        File::open(&folder)?.sync_all()?;
        Ok(self.name.clone())
    }

    /// Takes back what was written, for payloads that turned out small.
    pub fn into_bytes(mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.size as usize);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for BlobWriter {
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
        let blobs = Blobs::open(folder.path()).unwrap();
        let mut kept = blobs.create().unwrap();
        kept.write(b"hello ").unwrap();
        kept.write(b"world").unwrap();
        assert_eq!(kept.size(), 11);
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
