//! Whose processes they are: PostgreSQL refuses to run as root.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Accounts that a root user's servers are run as, the first that there is.
const ORDINARY: [&str; 2] = ["postgres", "nobody"];

/// An ordinary user.
#[derive(Clone, Debug)]
pub struct Account {
    /// Number of the user and of its group; none when that is who we are.
    other: Option<(u32, u32)>,
}

impl Account {
    /// Ourselves, unless that is root.
    pub fn ordinary() -> Result<Account> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Account { other: None });
        }
        let known = std::fs::read_to_string("/etc/passwd").context("who may PostgreSQL run as?")?;
        let other = ORDINARY.iter().find_map(|name| numbers(&known, name));
        let other =
            other.with_context(|| format!("PostgreSQL can't run as root, and there is no user {ORDINARY:?}"))?;
        Ok(Account { other: Some(other) })
    }

    /// Gives it a file or folder.
    pub fn own(&self, path: &Path) -> Result<()> {
        match self.other {
            Some((user, group)) => chown(path, Some(user), Some(group)).context("chown"),
            None => Ok(()),
        }
    }

    /// Makes it the one that a command runs as.
    pub fn become_(&self, command: &mut Command) {
        if let Some((user, group)) = self.other {
            command.uid(user).gid(group);
        }
    }
}

fn numbers(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.first() == Some(&name)).then(|| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(numbers(passwd, "postgres"), Some((101, 104)));
        assert_eq!(numbers(passwd, "nobody"), None);
    }
}
