//! How a server is started and stopped.

use std::path::{Path, PathBuf};

use crate::identity::Identity;

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Write through to the disk, as a real one does. Without it a cluster survives its own crashes, but not the
    /// machine's: right for tests of anything but that, and many times faster.
    pub fsync: bool,
    /// Offer TLS as whom.
    pub identity: Option<Identity>,
    /// More settings by name, as in `postgresql.conf`.
    pub more: Vec<(String, String)>,
}

impl Settings {
    /// Where the files go: into memory where nothing is to be written through, for each new database is some three hundred
    /// files.
    pub(crate) fn home(&self) -> PathBuf {
        let memory = Path::new("/dev/shm");
        if !self.fsync && memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
    }
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Open transactions are rolled back, everything is written.
    Fast,
    /// As in a crash: nothing is written, the next start recovers.
    Immediate,
    /// The same, of every process at once: not even those who are connected are told.
    Kill,
}
