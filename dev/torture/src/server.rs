//! The release binary as a process of its own.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::scratch::built;

/// How long a start may take, recovery included.
const READY: Duration = Duration::from_secs(60);

/// How to start the server.
#[derive(Clone)]
pub struct Launch {
    folder: PathBuf,
    port: u16,
    wrapper: Vec<OsString>,
    database: Option<String>,
    stored: Option<Vec<OsString>>,
    env: Vec<(OsString, OsString)>,
}

impl Launch {
    /// With its data in `disk/data` below `folder`, always on the same free port, so that clients find it again.
    pub fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder.join("disk"))?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        Ok(Self { folder: folder.to_owned(), port, wrapper: Vec::new(), database: None, stored: None, env: Vec::new() })
    }

    /// With jobs in this PostgreSQL database.
    pub fn on(mut self, database: &str) -> Self {
        self.database = Some(database.to_owned());
        self
    }

    /// With these arguments to name where everything lives, and no others.
    pub fn stored(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.stored = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// With this in its environment.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// With these in its environment.
    pub fn envs(mut self, more: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>) -> Self {
        self.env.extend(more.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// As an argument of another program, which ends as it ends.
    pub fn under(mut self, program: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.wrapper = program.into_iter().map(Into::into).collect();
        self
    }

    /// The folder of what the campaign takes for the disk; the server makes its own in it.
    pub fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.disk().join("data")
    }

    /// The arguments that name where jobs live.
    pub fn store(&self) -> Vec<OsString> {
        if let Some(stored) = &self.stored {
            return stored.clone();
        }
        let database = self.database.iter().flat_map(|url| ["--store".into(), url.into()]);
        ["--data".into(), self.data().into()].into_iter().chain(database).collect()
    }

    /// Starts, and waits until it says that it is ready. What it says is appended to `server.log`.
    pub fn start(&self) -> Result<Server> {
        let started = self.try_start()?;
        started.with_context(|| format!("the server ended before it was ready; see {}", self.folder.display()))
    }

    /// The same; none when it ended before it was ready.
    pub fn try_start(&self) -> Result<Option<Server>> {
        let begin = Instant::now();
        let mut words = self.wrapper.clone();
        words.push(built("raincheck")?.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command.args(["serve", "--log-format", "json", "--listen", &format!("127.0.0.1:{}", self.port)]);
        command.args(self.store()).current_dir(&self.folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(self.env.iter().map(|(n, v)| (n, v)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot start {}", words[0].display()))?;
        let mut log = File::options().create(true).append(true).open(self.folder.join("server.log"))?;
        let (sender, receiver) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    // A log that cannot be kept takes nothing from what is tested.
                    let _ = writeln!(log, "{line}");
                    if let Some(ready) = ready(&line) {
                        let _ = sender.send(ready);
                    }
                }
            });
        }
        let mut server = Server { child, pid: None, url: String::new(), started_in: Duration::ZERO };
        match receiver.recv_timeout(READY) {
            Ok((url, pid)) => (server.url, server.pid) = (url, Pid::from_raw(pid)),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!("the server did not get ready within {READY:?}; see {}", self.folder.display())
            }
        }
        server.started_in = begin.elapsed();
        Ok(Some(server))
    }
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Of the server itself, which is not the child under a wrapper.
    pid: Option<Pid>,
    /// Where it listens.
    pub url: String,
    /// From its start until it said that it is ready.
    pub started_in: Duration,
}

impl Server {
    /// Its process id.
    pub fn pid(&self) -> Result<Pid> {
        self.pid.context("the server did not tell its process id")
    }

    /// SIGKILL; returns when it is gone.
    pub fn kill(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        // Once it is waited for, its number may be another process's.
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        match self.pid {
            Some(pid) => match kill_process(pid, Signal::KILL) {
                Err(rustix::io::Errno::SRCH) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            },
            None => self.child.kill()?,
        }
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM; an error unless it then ends well within the ten seconds of a drain.
    pub fn terminate(mut self) -> Result<()> {
        kill_process(self.pid()?, Signal::TERM)?;
        match self.exited(Duration::from_secs(12))? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("after SIGTERM the server ended with {status}"),
            None => bail!("after SIGTERM the server did not end in time"),
        }
    }

    /// How it ended, if it does so within `limit`.
    pub fn exited(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            match self.child.try_wait()? {
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                status => return Ok(status),
            }
        }
    }

    /// Its resident memory, MiB.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?.as_raw_nonzero()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().next().unwrap_or_default().parse()?;
        Ok(kib / 1_024)
    }

    /// Its open descriptors.
    pub fn descriptors(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.pid()?.as_raw_nonzero()))?.count())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gone already is what is wanted.
        let _ = self.end();
    }
}

/// The address and the process in a "ready" line.
fn ready(line: &str) -> Option<(String, i32)> {
    let ready: serde_json::Value = serde_json::from_str(line).ok()?;
    if ready.get("msg")?.as_str()? != "ready" {
        return None;
    }
    let url = ready.get("url")?.as_str()?.trim_end_matches('/').to_owned();
    Some((url, i32::try_from(ready.get("pid")?.as_i64()?).ok()?))
}
