//! The machine's PostgreSQL.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The oldest version that is looked for.
pub const OLDEST: u32 = 14;

/// Where Debian puts each version's programs.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The folder of its programs.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
    version: u32,
}

impl Programs {
    /// The newest on this machine, or the one on the PATH.
    ///
    /// # Errors
    /// When there is none, with what to install.
    pub fn find() -> Result<Programs> {
        let packed = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
        let known = packed.chain(on_path).filter(|folder| is_whole(folder));
        let newest = known.filter_map(|folder| Some((version(&folder).ok()?, folder))).max_by_key(|(v, _)| *v);
        match newest {
            Some((version, folder)) if version >= OLDEST => Ok(Programs { folder, version }),
            Some((version, folder)) => bail!(
                "PostgreSQL {version} in {} is too old for these tests: install {OLDEST} or newer",
                folder.display()
            ),
            None => bail!(
                "these tests need PostgreSQL {OLDEST} or newer and found neither {VERSIONS}/*/bin nor `initdb` on the \
                 PATH; on Debian or Ubuntu: sudo apt-get install -y postgresql"
            ),
        }
    }

    /// One of them.
    pub fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// Its version, as `15`.
    pub fn version(&self) -> u32 {
        self.version
    }
}

fn is_whole(folder: &Path) -> bool {
    ["initdb", "postgres", "psql"].iter().all(|program| folder.join(program).is_file())
}

fn version(folder: &Path) -> Result<u32> {
    let output = Command::new(folder.join("postgres")).arg("--version").output()?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`, `postgres (PostgreSQL) 18beta1`
fn parse(said: &str) -> Result<u32> {
    let number = said.split_whitespace().nth(2).context("no version")?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).map_or(number, |end| &number[..end]);
    Ok(digits.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(parse("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n").unwrap(), 15);
        assert_eq!(parse("postgres (PostgreSQL) 18beta1\n").unwrap(), 18);
        assert!(parse("what?").is_err());
    }
}
