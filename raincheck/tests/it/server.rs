//! The real binary as a child process, with its data in a folder that outlives it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A running `raincheck serve`; killed hard when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    /// What it says about its store.
    pub store: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts on `folder` and waits until it says that it is ready.
    pub fn start(folder: &Path, more: &[&str]) -> Server {
        Server::begin(Command::new(env!("CARGO_BIN_EXE_raincheck")), folder, more)
    }

    /// The same for a user whose files are everybody's unless they are made otherwise.
    pub fn start_without_mask(folder: &Path) -> Server {
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_raincheck")]);
        Server::begin(shell, folder, &[])
    }

    fn begin(mut program: Command, folder: &Path, more: &[&str]) -> Server {
        let mut child = program
            .args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--data"])
            .arg(folder.join("data"))
            .args(more)
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        let (url, store) = loop {
            let line = lines.next().unwrap_or_else(|| panic!("serve ended before it was ready: {seen:#?}")).unwrap();
            let json: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if json["msg"] == "ready" {
                let said = |member: &str| json[member].as_str().unwrap().to_owned();
                break (said("url").trim_end_matches('/').to_owned(), said("store"));
            }
            seen.push(line);
        };
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&said);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line));
        });
        Server { child, url, store, said }
    }

    /// What it has said since it was ready, a line each.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; answers the exit code and how long it took.
    pub fn terminate(&mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        self.tell_to_stop();
        (self.ended(), started.elapsed())
    }

    /// SIGTERM, and no more.
    pub fn tell_to_stop(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits until it is gone; answers the exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Resident memory, KiB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes whose command line holds `mark`.
pub fn processes(mark: &str) -> Vec<u32> {
    let own = std::process::id();
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|e| e.file_name().to_str().and_then(|n| n.parse::<u32>().ok()));
    pids.filter(|pid| *pid != own && command_line(*pid).contains(mark)).collect()
}

fn command_line(pid: u32) -> String {
    // A process that ended while we looked has none.
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Looks every few milliseconds until `fact` holds; fails after `limit`.
pub async fn until(what: &str, limit: Duration, mut fact: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !fact().await {
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
