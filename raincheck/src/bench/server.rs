//! Child processes to measure.

use std::{
    ffi::OsString,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    Options,
    broken::broken,
    connection::{Connection, post},
};
use crate::cli::{exit::Failure, stderr};

/// How long a child may take to be ready: long enough for a recovery of many jobs.
const READY: Duration = Duration::from_secs(120);

/// A child process that listens.
pub struct Server {
    child: Child,
    /// Of the server itself, which is not the child where something stands between.
    pid: i32,
    /// Where.
    pub address: SocketAddr,
    /// From its start until it said that it is ready.
    pub started_in: Duration,
}

/// The input of a job as the measures submit it: 200 bytes.
pub fn input() -> String {
    format!("{{\"text\":\"{}\"}}", "x".repeat(189))
}

/// The body of such a job.
pub fn job() -> Vec<u8> {
    format!("{{\"kind\":\"bench\",\"input\":{}}}", input()).into_bytes()
}

impl Server {
    /// The server with its defaults, its data in `folder`, where it also looks for settings.
    pub fn start(options: &Options, folder: &Path) -> Result<Self, Failure> {
        Self::start_under(options, &[], folder)
    }

    /// The same under strace, which writes these calls of all its threads to `trace`.
    pub fn start_traced(options: &Options, folder: &Path, calls: &str, trace: &Path) -> Result<Self, Failure> {
        let mut prefix: Vec<OsString> =
            ["strace", "-f", "-qq", "-e", &format!("trace={calls}"), "-o"].map(OsString::from).into();
        prefix.push(trace.into());
        Self::start_under(options, &prefix, folder)
    }

    /// The same, started by another program: its arguments end with the server's.
    pub fn start_under(options: &Options, prefix: &[OsString], folder: &Path) -> Result<Self, Failure> {
        let mut words: Vec<OsString> = prefix.to_vec();
        words.push(options.program()?.into());
        words.extend(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--data"].map(OsString::from));
        words.push(folder.join("data").into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        Self::spawn(command, folder)
    }

    /// A process in `folder` that says like a server where it listens.
    pub fn spawn(mut command: Command, folder: &Path) -> Result<Self, Failure> {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("RAINCHECK_") {
                command.env_remove(name);
            }
        }
        // Bounds are not what is measured.
        command.env("RAINCHECK_LIMITS__QUEUED", "100000000").env("RAINCHECK_LIMITS__QUEUED_PER_QUEUE", "100000000");
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let begin = Instant::now();
        let mut child = command.spawn()?;
        let (sender, receiver) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            // Read to its end, so that the child never waits for us.
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    match ready(&line) {
                        Some((address, pid)) => drop(sender.send((address, pid, begin.elapsed()))),
                        None if line.contains("\"level\":\"info\"") => {}
                        None => stderr::say(&format!("server: {line}")),
                    }
                }
            });
        }
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, pid: 0, address: nowhere, started_in: Duration::ZERO };
        let started = receiver.recv_timeout(READY);
        (server.address, server.pid, server.started_in) =
            started.map_err(|_| broken("the server did not get ready"))?;
        Ok(server)
    }

    /// A connection to it.
    pub async fn connect(&self) -> Result<Connection, Failure> {
        Connection::open(self.address).await
    }

    /// Submits `count` jobs in batches of 1,000 over a few connections; how long that took.
    pub async fn fill(&self, count: usize) -> Result<Duration, Failure> {
        const SENDERS: usize = 4;
        let begin = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for sender in 0..SENDERS {
            let mut connection = self.connect().await?;
            let share = count / SENDERS + usize::from(sender < count % SENDERS);
            tasks.spawn(async move {
                let full = batch(1_000);
                let mut left = share;
                while left >= 1_000 {
                    connection.expect(&full, 202).await?;
                    left -= 1_000;
                }
                if left > 0 {
                    connection.expect(&batch(left), 202).await?;
                }
                Ok::<_, Failure>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(broken)??;
        }
        Ok(begin.elapsed())
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let pid = Pid::from_raw(self.pid).ok_or_else(|| broken("a server without a process"))?;
        kill_process(pid, signal).map_err(broken)
    }

    /// Ends it as an operator would, and waits until it has.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.signal(Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(broken(format!("the server ended with {status}"))) }
    }
}

impl Drop for Server {
    /// With -9: what it leaves behind is removed anyway, and a start after this is a measure of its own.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Of a traced server only the tracer is the child, and it ends with what it traces.
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = kill_process(pid, Signal::KILL);
        } else {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A request that submits `count` jobs.
pub fn batch(count: usize) -> Vec<u8> {
    let jobs = vec![job(); count].join(&b","[..]);
    post("/jobs/batch", &[b"{\"jobs\":[", jobs.as_slice(), b"]}"].concat())
}

/// The address and the process in a "ready" line.
fn ready(line: &str) -> Option<(SocketAddr, i32)> {
    let ready: serde_json::Value = serde_json::from_str(line).ok()?;
    if ready.get("msg")?.as_str()? != "ready" {
        return None;
    }
    let address = ready.get("url")?.as_str()?.strip_prefix("http://")?.trim_end_matches('/').parse().ok()?;
    Some((address, i32::try_from(ready.get("pid")?.as_i64()?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_is_as_said() {
        let job: serde_json::Value = serde_json::from_slice(&job()).unwrap();
        assert_eq!(job["input"].to_string().len(), 200);
        let (address, pid) = ready(r#"{"msg":"ready","pid":5,"url":"http://127.0.0.1:7"}"#).unwrap();
        assert_eq!((address.port(), pid), (7, 5));
        assert!(ready("x").is_none());
    }
}
