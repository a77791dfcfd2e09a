//! The command line, driven as a person or a script would: the real binary, in a folder of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod bench;
mod config;
mod consumer;
mod demo;
mod doctor;
mod environment;
mod folder;
mod ids;
mod loss;
mod output;
mod reload;
mod resources;
mod serve;
mod service;
mod signals;
mod terminal;
mod verbs;
mod work;

use std::{
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::server::Server;

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// What it said, if it ended well.
    #[track_caller]
    pub fn well(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.out.trim_end().to_owned()
    }

    /// Itself, if it ended with this code.
    #[track_caller]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// `raincheck ARGUMENTS` in `folder`, with nothing of this process's environment but the search path.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raincheck"));
    command.args(arguments).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub fn said(mut command: Command, input: Option<&[u8]>) -> Said {
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    if let Some(input) = input {
        child.stdin.take().unwrap().write_all(input).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A server, and commands that speak to it.
pub struct Cli {
    pub folder: tempfile::TempDir,
    pub server: Server,
}

impl Cli {
    pub fn new() -> Self {
        Self::with(&[])
    }

    pub fn with(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), more);
        Self { folder, server }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path(), arguments);
        command.env("RAINCHECK_SERVER", &self.server.url);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments), None)
    }

    pub fn feed(&self, arguments: &[&str], input: &[u8]) -> Said {
        said(self.command(arguments), Some(input))
    }

    /// One member of a job's JSON.
    pub fn job(&self, id: &str, member: &str) -> serde_json::Value {
        let job: serde_json::Value = serde_json::from_str(&self.run(&["get", id, "-o", "json"]).well()).unwrap();
        job[member].clone()
    }

    /// A worker in the background.
    pub fn work(&self, arguments: &[&str]) -> Worker {
        let mut command = self.command(&[&["work"], arguments].concat());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Worker(command.spawn().unwrap())
    }
}

/// Looks every few milliseconds until something is so.
#[track_caller]
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A child that is told to stop, and killed if it is dropped before.
pub struct Worker(pub Child);

impl Worker {
    pub fn tell(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.0), signal).unwrap();
    }

    /// The exit code, once it is gone.
    pub fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGTERM; the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.tell(rustix::process::Signal::TERM);
        self.0.wait().unwrap().code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
