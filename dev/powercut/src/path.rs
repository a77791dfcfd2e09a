//! A path below the folder that is watched.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// A path below the folder.
pub struct Path {
    /// All of it.
    pub whole: Vec<u8>,
    /// Length of the folder's own path, bytes.
    pub folder: usize,
}

impl Path {
    /// Without the folder; empty for the folder itself.
    pub fn below(&self) -> Vec<u8> {
        self.whole.get(self.folder + 1..).unwrap_or_default().to_vec()
    }

    /// Whether something is there.
    pub fn exists(&self) -> bool {
        std::path::Path::new(OsStr::from_bytes(&self.whole)).symlink_metadata().is_ok()
    }
}
