//! Packages of other people that a step needs, at the versions that this repository names: into `target/`, or beside the
//! package.json that names them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::run::{root, run};

/// The interpreter of a virtual environment in `target/` with what `folder`'s `requirements.txt` names. Programs in it are
/// run as modules: their own scripts name the interpreter by a path that is wrong once the checkout is moved.
pub fn python(folder: &Path) -> Result<PathBuf> {
    let name = folder.file_name().context("a folder has a name")?;
    let installed = root().join("target/python").join(name);
    let (python, wanted) = (installed.join("bin/python"), folder.join("requirements.txt"));
    let done = installed.join("requirements.txt");
    if same(&done, &wanted) {
        return Ok(python);
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(&installed);
    run(venv, Duration::from_secs(120))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&wanted);
    run(pip, Duration::from_secs(300))?;
    // Last, so that a broken installation is not taken for a whole one.
    std::fs::copy(&wanted, &done)?;
    Ok(python)
}

/// What `folder`'s `package-lock.json` names, into its `node_modules`.
pub fn node(folder: &Path) -> Result<()> {
    let (wanted, done) = (folder.join("package-lock.json"), folder.join("node_modules/.installed"));
    if same(&done, &wanted) {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(folder);
    run(npm, Duration::from_secs(300))?;
    std::fs::copy(&wanted, &done)?;
    Ok(())
}

fn same(a: &Path, b: &Path) -> bool {
    std::fs::read(a).is_ok_and(|a| std::fs::read(b).is_ok_and(|b| a == b))
}
