//! Two servers, one of which follows the other, until it takes its place.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::account::Account;
use crate::{Cluster, Programs, USER};

/// How long one may take to follow, to catch up, or to take over.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether a commit waits for the one that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// It does, until that has written it too.
    Synchronous,
    /// It does not: what was acknowledged last may be missing there.
    Asynchronous,
}

impl Cluster {
    /// Makes a server that follows this one, and waits until it does.
    ///
    /// # Errors
    /// When it can't be started, with what it said.
    pub fn standby(&self, replication: Replication) -> Result<Cluster> {
        let mut settings = self.settings.clone();
        settings.identity = None;
        let standby = Cluster::make(settings, |programs, account, folder| {
            copy(programs, account, self.port(), folder)?;
            let data = folder.join("data");
            // Whom the first waits for is no affair of the second.
            for (file, text) in [("postgresql.auto.conf", follow(self.port())), ("standby.signal", String::new())] {
                std::fs::write(data.join(file), text).context(file)?;
                account.own(&data.join(file))?;
            }
            Ok(())
        })?;
        let wanted = match replication {
            Replication::Synchronous => "sync",
            Replication::Asynchronous => "async",
        };
        let names = if replication == Replication::Synchronous { "*" } else { "" };
        self.set("synchronous_standby_names", names)?;
        let state = format!("SELECT count(*) > 0 FROM pg_stat_replication WHERE sync_state = '{wanted}'");
        self.until(&state).with_context(|| format!("nobody follows: {}", standby.said().join("\n")))?;
        Ok(standby)
    }

    /// Takes it from now on that nobody follows: no commit waits for another server.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn wait_for_nobody(&self) -> Result<()> {
        self.set("synchronous_standby_names", "")
    }

    /// Follows no more: what the other one writes from now on does not come here.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn stop_following(&self) -> Result<()> {
        self.set("primary_conninfo", "")?;
        self.until("SELECT count(*) = 0 FROM pg_stat_wal_receiver")
    }

    /// Waits until all that was written there until now can be read here.
    ///
    /// # Errors
    /// When it does not come.
    pub fn catch_up(&self, primary: &Cluster) -> Result<()> {
        let written = primary.run("postgres", "SELECT pg_current_wal_lsn()")?;
        self.until(&format!("SELECT pg_last_wal_replay_lsn() >= '{written}'"))
    }

    /// Takes what comes, and does not show it: whoever reads here reads what was.
    ///
    /// # Errors
    /// When the server follows nobody.
    pub fn pause_replay(&self) -> Result<()> {
        self.run("postgres", "SELECT pg_wal_replay_pause()")?;
        self.until("SELECT pg_get_wal_replay_pause_state() = 'paused'")
    }

    /// Shows it again.
    ///
    /// # Errors
    /// When the server follows nobody.
    pub fn resume_replay(&self) -> Result<()> {
        self.run("postgres", "SELECT pg_wal_replay_resume()").map(drop)
    }

    /// Takes the place of the one that it followed, and takes writes. What that one does meanwhile is its own affair.
    ///
    /// # Errors
    /// When the server follows nobody.
    pub fn promote(&self) -> Result<()> {
        ensure!(self.run("postgres", "SELECT pg_promote()")? == "t", "it does not take over: {:#?}", self.said());
        Ok(())
    }

    fn set(&self, name: &str, value: &str) -> Result<()> {
        self.run("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"))?;
        self.run("postgres", "SELECT pg_reload_conf()").map(drop)
    }

    /// Asks until it is so.
    fn until(&self, sql: &str) -> Result<()> {
        let begin = Instant::now();
        while self.run("postgres", sql)? != "t" {
            ensure!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {sql}");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn follow(port: u16) -> String {
    format!("primary_conninfo = 'host=127.0.0.1 port={port} user={USER}'\n")
}

/// Copies the files of a running server.
fn copy(programs: &Programs, account: &Account, port: u16, folder: &Path) -> Result<()> {
    let mut copy = Command::new(programs.path("pg_basebackup"));
    copy.arg("--pgdata").arg(folder.join("data")).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    copy.args(["--username", USER, "--checkpoint", "fast", "--no-sync", "--no-manifest"]);
    account.become_(&mut copy);
    let output = copy.stdin(Stdio::null()).current_dir("/").output().context("pg_basebackup does not run")?;
    ensure!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
