use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

/// A file being written. Dropping it without [`FileWriter::finish`] removes what was written.
#[derive(Debug)]
pub(crate) struct FileWriter {
    file: File,
    temporary: PathBuf,
    root: PathBuf,
    name: Box<str>,
    finished: bool,
}

impl FileWriter {
    /// Of an empty file.
    pub(super) fn new(file: File, temporary: PathBuf, root: PathBuf, name: Box<str>) -> Self {
        FileWriter { file, temporary, root, name, finished: false }
    }

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

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = fs::remove_file(&self.temporary)
        {
            tracing::warn!(%error, file = %self.temporary.display(), "a half-written payload stays until it is found");
        }
    }
}
