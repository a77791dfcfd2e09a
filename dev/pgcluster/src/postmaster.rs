//! A server's process.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;
use crate::{Programs, Settings, Stop};

/// How long a start, its recovery, or a stop may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines kept of what it says.
const LINES: usize = 1_000;
/// How often another port is tried when somebody else was quicker.
const TRIES: usize = 5;

/// A running server.
#[derive(Debug)]
pub struct Postmaster {
    child: Child,
    port: u16,
    said: Arc<Mutex<VecDeque<String>>>,
}

impl Postmaster {
    /// Starts on the files in `data`, on `port` unless that is 0, and waits until it takes connections.
    pub fn start(programs: &Programs, account: &Account, data: &Path, settings: &Settings, port: u16) -> Result<Self> {
        let mut tries = 0;
        loop {
            tries += 1;
            // Free a moment ago; a server can't be asked to choose.
            let free = if port == 0 { TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port() } else { port };
            match Self::try_start(programs, account, data, settings, free) {
                Err(error) if tries < TRIES && error.to_string().contains("could not bind") => {}
                done => return done,
            }
        }
    }

    fn try_start(programs: &Programs, account: &Account, data: &Path, settings: &Settings, port: u16) -> Result<Self> {
        let mut command = Command::new(programs.path("postgres"));
        command.arg("-D").arg(data).env("LC_ALL", "C").current_dir("/");
        let (port_text, fsync) = (port.to_string(), if settings.fsync { "on" } else { "off" });
        let own = [
            ("listen_addresses", "127.0.0.1"),
            ("port", &port_text),
            ("unix_socket_directories", ""),
            ("fsync", fsync),
            // What a power cut would tear, which nothing survives anyway without `fsync`.
            ("full_page_writes", fsync),
            ("max_connections", "200"),
            ("shared_buffers", "64MB"),
            // Beside the other files, where it goes with them.
            ("dynamic_shared_memory_type", "mmap"),
        ];
        let more = settings.more.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(more) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        account.become_(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().context("postgres does not run")?;
        let said = Arc::default();
        let ready = listen(child.stderr.take().context("no standard error")?, Arc::clone(&said));
        let started = ready.recv_timeout(PATIENCE);
        let server = Postmaster { child, port, said };
        match started {
            Ok(()) => Ok(server),
            Err(_) => {
                let said = server.said().join("\n");
                // Most often it has ended by itself.
                let _ = server.stop(Stop::Immediate);
                bail!("PostgreSQL did not start:\n{said}")
            }
        }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it said last.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().iter().cloned().collect()
    }

    /// Stops all of its processes where they are.
    pub fn freeze(&self) -> Result<()> {
        let own = Pid::from_child(&self.child);
        // First the one that makes others.
        kill_process(own, Signal::STOP)?;
        self.tell_children(Signal::STOP)
    }

    /// Lets them go on.
    pub fn thaw(&self) -> Result<()> {
        self.tell_children(Signal::CONT)?;
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    fn tell_children(&self, signal: Signal) -> Result<()> {
        for pid in self.children()? {
            match kill_process(pid, signal) {
                // One that ended meanwhile has nothing to tell.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Those that have not ended.
    fn children(&self) -> Result<Vec<Pid>> {
        let mut children = Vec::new();
        for entry in std::fs::read_dir("/proc")?.filter_map(Result::ok) {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            children.extend(pid.filter(|_| parent(&stat) == Some(self.child.id())));
        }
        Ok(children)
    }

    /// Kills all of its processes where they are.
    fn kill(&self) -> Result<()> {
        self.freeze()?;
        self.tell_children(Signal::KILL)?;
        let until = Instant::now() + PATIENCE;
        // The next one does not start while any of them has their memory.
        while !self.children()?.is_empty() {
            if Instant::now() > until {
                bail!("processes of PostgreSQL do not end");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(kill_process(Pid::from_child(&self.child), Signal::KILL)?)
    }

    /// Ends it, and waits until it is gone.
    pub fn stop(mut self, how: Stop) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        let end = |signal| {
            kill_process(Pid::from_child(&self.child), signal)?;
            self.thaw()
        };
        match how {
            Stop::Fast => end(Signal::INT)?,
            Stop::Immediate => end(Signal::QUIT)?,
            Stop::Kill => self.kill()?,
        }
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > until {
                bail!("PostgreSQL did not stop:\n{}", self.said().join("\n"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// Whose child a process is, unless it has ended, from what `/proc` says of it: behind its name, which may hold anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut words = behind.split_whitespace();
    let has_ended = words.next()? == "Z";
    words.next()?.parse().ok().filter(|_| !has_ended)
}

/// Keeps what it says, and tells when it takes connections; the channel closes when it ends.
fn listen(stderr: impl Read + Send + 'static, said: Arc<Mutex<VecDeque<String>>>) -> mpsc::Receiver<()> {
    let (sender, ready) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let is_ready = line.contains("database system is ready to accept");
            let mut said = said.lock();
            if said.len() == LINES {
                said.pop_front();
            }
            said.push_back(line);
            drop(said);
            if is_ready {
                // Nobody waits any more when the server recovers by itself later on.
                let _ = sender.send(());
            }
        }
    });
    ready
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read() {
        assert_eq!(parent("12 (a) b) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent("12 (a) b) Z 7 12 12 0 -1"), None);
        assert_eq!(parent(""), None);
    }
}
