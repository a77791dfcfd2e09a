//! The folder of a server that keeps nothing: removed at its end, or by the next such server where it was killed.

use std::{
    fs::{File, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
};

use raincheck_client::run::command::{hold, sweep};

/// Its name begins so, in the system's folder of temporary files.
const PREFIX: &str = "raincheck-ephemeral-";
/// Where the data is in it.
const DATA: &str = "data";

/// Removed when dropped.
pub struct Ephemeral {
    folder: tempfile::TempDir,
    /// As long as this is open it is not abandoned.
    _held: File,
}

impl Ephemeral {
    /// A new one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> io::Result<Self> {
        let private = Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir()?;
        let held = File::open(folder.path())?;
        hold(&held)?;
        std::fs::create_dir(folder.path().join(DATA))?;
        Ok(Self { folder, _held: held })
    }

    /// For all that the server keeps.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join(DATA)
    }

    /// Removes what killed ones left.
    pub fn sweep() {
        match sweep(&std::env::temp_dir(), PREFIX, DATA) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed folders that killed ephemeral servers left"),
            Err(error) => tracing::warn!(%error, "cannot look for folders that killed ephemeral servers left"),
        }
    }
}
