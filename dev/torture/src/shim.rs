//! A server under the shim `powercut`, and the disk that its power cuts leave.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rand::rngs::StdRng;

use crate::scratch::built;
use crate::server::Launch;
use crate::sim_disk::{Cut, SimDisk};

/// The disk of one round.
pub struct Shim {
    disk: PathBuf,
    record: PathBuf,
    /// What is on it.
    pub sim_disk: SimDisk,
}

impl Shim {
    /// For the disk of this launch, which is empty.
    pub fn new(launch: &Launch) -> Self {
        let disk = launch.disk();
        Self { record: disk.with_file_name("record"), disk, sim_disk: SimDisk::default() }
    }

    /// What puts the shim in front of a program.
    pub fn environment(&self) -> Result<[(&'static str, OsString); 3]> {
        let shim = built("libpowercut.so")?;
        anyhow::ensure!(shim.exists(), "{} is not built", shim.display());
        Ok([
            ("LD_PRELOAD", shim.into()),
            ("POWERCUT_FOLDER", self.disk.clone().into()),
            ("POWERCUT_RECORD", self.record.clone().into()),
        ])
    }

    /// The server is gone, and the power with it: leaves on the disk what a cut would leave.
    pub fn cut(&mut self, cut: Cut, rng: &mut StdRng) -> Result<()> {
        let record = std::fs::read(&self.record).context("the shim wrote no record")?;
        self.sim_disk.read(&record)?;
        self.sim_disk.cut(cut, rng);
        self.sim_disk.restore(&self.disk)?;
        std::fs::remove_file(&self.record)?;
        Ok(())
    }
}
