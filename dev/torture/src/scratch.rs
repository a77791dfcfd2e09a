//! Folders for one round. Whoever judges it removes them; without that they stay, for whoever looks for what went wrong.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A folder below `target/torture`, on the disk that the build is on.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes an empty one.
    pub fn new(name: &str) -> Result<Self> {
        let path = built("")?.with_file_name("torture").join(format!("{name}-{}", std::process::id()));
        if path.exists() {
            std::fs::remove_dir_all(&path)?;
        }
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What cargo built beside this program.
pub fn built(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program lies in a folder")?;
    Ok(if name.is_empty() { folder.to_owned() } else { folder.join(name) })
}
