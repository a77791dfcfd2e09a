//! Whether the files of a store are still where it opened them. Without that, what is acknowledged goes into files that no
//! restart finds.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::files::{beside, lock_of};
use crate::blobs::BlobFolder;

/// What was opened.
pub(crate) struct Watch {
    files: Vec<(PathBuf, FileId)>,
}

/// A file, whatever its name: while it is open, no other gets its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl Watch {
    /// Of a database that is open now, with its log and its lock.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let all = [path.to_owned(), beside(path, "-wal"), beside(path, "-shm"), lock_of(path)];
        let files = all.into_iter().map(|path| Ok((FileId::of(&path)?, path)));
        let files = files.map(|file: io::Result<_>| file.map(|(id, path)| (path, id))).collect::<io::Result<_>>()?;
        Ok(Watch { files })
    }

    /// What is gone or has been replaced.
    pub fn look(&self, blobs: &BlobFolder) -> Option<String> {
        for (path, id) in &self.files {
            let what = match FileId::of(path) {
                Ok(there) if there == *id => continue,
                Ok(_) => "has been replaced by another file",
                Err(error) if is_gone(&error) => "is gone",
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "it cannot be seen whether the data is still there");
                    continue;
                }
            };
            return Some(format!("{} {what}", path.display()));
        }
        // Files are written there by their names: a copy of it in its place is as good.
        match blobs.is_ours() {
            Ok(true) => None,
            Ok(false) => Some(format!("{} has lost its mark, or bears another store's", blobs.root().display())),
            Err(error) => {
                tracing::warn!(%error, "it cannot be seen whether the large payloads are still there");
                None
            }
        }
    }
}

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let about = std::fs::metadata(path)?;
        Ok(FileId { device: about.dev(), inode: about.ino() })
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
