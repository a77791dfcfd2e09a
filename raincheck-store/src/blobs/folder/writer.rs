use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

/// A file being written. Dropping it without [`FileWriter::finish`] removes what was written.
#[derive(Debug)]
pub(crate) struct FileWriter {
    file: File,
    /// Where it lies now.
    path: PathBuf,
    root: PathBuf,
    name: Box<str>,
    finished: bool,
}

impl FileWriter {
    /// Of an empty file.
    pub(in crate::blobs) fn new(file: File, path: PathBuf, root: PathBuf, name: Box<str>) -> Self {
        FileWriter { file, path, root, name, finished: false }
    }

    /// Appends bytes.
    pub(in crate::blobs) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Makes the blob durable and answers its name.
    pub(in crate::blobs) fn finish(mut self) -> io::Result<Box<str>> {
        self.file.sync_all()?;
        let folder = self.root.join(&self.name[..2]);
        let path = folder.join(&*self.name);
        fs::rename(&self.path, &path)?;
        self.path = path;
        // Whoever is told that this failed has no payload there either.
        File::open(&folder)?.sync_all()?;
        self.finished = true;
        Ok(self.name.clone())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, file = %self.path.display(), "a half-written payload stays until it is found");
        }
    }
}
