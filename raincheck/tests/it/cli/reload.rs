//! SIGHUP: what stands in the file now is in force, and a file with a fault changes nothing.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Child,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Said, command, said};

/// A server whose log is read.
struct Served {
    child: Child,
    folder: tempfile::TempDir,
    log: Receiver<Value>,
    url: String,
}

impl Served {
    fn start(config: &str) -> Self {
        Self::start_with(config, &[], |_| {})
    }

    fn start_with(config: &str, more: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("raincheck.toml"), config).unwrap();
        prepare(folder.path());
        let mut serve = command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        serve.args(more);
        let mut child = serve.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // Nobody listens once the test is over.
                let _ = sender.send(serde_json::from_str(&line).unwrap_or_default());
            }
        });
        let mut served = Self { child, folder, log, url: String::new() };
        served.url = served.until_said("ready")["url"].as_str().unwrap().to_owned();
        served
    }

    /// The next line of the log that says this.
    fn until_said(&self, says: &str) -> Value {
        loop {
            let line = self.log.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|_| panic!("never said: {says}"));
            if line["msg"].as_str().is_some_and(|msg| msg.contains(says)) {
                return line;
            }
        }
    }

    fn reload(&self, config: &str, says: &str) -> Value {
        std::fs::write(self.folder.path().join("raincheck.toml"), config).unwrap();
        kill_process(Pid::from_child(&self.child), Signal::HUP).unwrap();
        self.until_said(says)
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = command(self.folder.path(), arguments);
        command.env("RAINCHECK_SERVER", &self.url);
        said(command, None)
    }

    /// What the server says of a kind.
    fn kind(&self, kind: &str) -> String {
        let host = self.url.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        write!(stream, "GET /kinds/{kind} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        std::io::read_to_string(stream).unwrap()
    }

    fn result(&self, kind: &str) -> String {
        self.run(&["submit", kind, "--wait=20s"]).well()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const READ: &str = "settings read again";

#[test]
fn kinds_come_change_and_go() {
    let kind = |name: &str, says: &str| format!("[kinds.{name}]\nrun = [\"echo\", \"{says}\"]\n");
    let served = Served::start(&format!("{}{}", kind("a", "1"), kind("b", "2")));
    assert_eq!((served.result("a"), served.result("b")), ("1".to_owned(), "2".to_owned()));
    let logged = served.reload(&format!("{}{}", kind("a", "7"), kind("c", "3")), READ);
    assert_eq!(logged["needs_restart"], "", "{logged}");
    assert_eq!((served.result("a"), served.result("c")), ("7".to_owned(), "3".to_owned()));
    served.run(&["submit", "b", "--wait=1s"]).with(4);
    served.reload(&kind("b", "4"), READ);
    assert_eq!(served.result("b"), "4", "what waited meanwhile and what is new");
}

#[test]
fn what_runs_has_its_grace_when_its_worker_changes() {
    let config = |last: &str| {
        format!(
            "[server]\ngrace = \"20s\"\n[kinds.k]\nrun = [\"sh\", \"-c\", \"while [ ! -e go ]; do sleep 0.05; done; echo {last}\"]\n"
        )
    };
    let served = Served::start(&config("1"));
    let id = served.run(&["submit", "k"]).well();
    let begin = std::time::Instant::now();
    while served.run(&["list", "--state", "running", "--no-header"]).well().is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not run");
    }
    served.reload(&config("2"), READ);
    std::fs::write(served.folder.path().join("go"), "").unwrap();
    served.run(&["wait", &id, "--timeout", "20s"]).well();
    assert_eq!(served.run(&["result", &id]).well(), "1", "it ended as it began");
    assert_eq!(served.result("k"), "2");
}

#[test]
fn defaults_and_descriptions_are_for_jobs_from_now_on() {
    let config = |attempts: u32, says: &str| {
        format!("[defaults]\nretry = {{ max_attempts = {attempts} }}\n[kinds.k]\ndescription = \"{says}\"\n")
    };
    let served = Served::start(&config(7, "old"));
    let attempts = |id: &str| -> Value {
        let shown: Value = serde_json::from_str(&served.run(&["get", id, "-o", "json"]).well()).unwrap();
        shown["max_attempts"].clone()
    };
    let before = served.run(&["submit", "k"]).well();
    served.reload(&config(9, "new"), READ);
    let after = served.run(&["submit", "k"]).well();
    assert_eq!((attempts(&before), attempts(&after)), (7.into(), 9.into()));
    assert!(served.kind("k").contains("\"description\":\"new\""), "{}", served.kind("k"));
    let logged = served.reload("[limits]\nqueued = 5\n[kinds.k]\nretry = { max_attempts = 3 }\n", READ);
    assert_eq!(logged["needs_restart"], "limits.queued");
    assert_eq!(attempts(&served.run(&["submit", "k"]).well()), 3);
}

#[test]
fn a_file_with_a_fault_changes_nothing() {
    let good = "[kinds.a]\nrun = [\"echo\", \"1\"]\n";
    let served = Served::start(good);
    for (bad, why) in [
        ("[kinds.a]\nrun = [\"echo\", \"2\"]\ntimeuot = \"1s\"\n", "timeout"),
        ("[kinds.a]\nrun = [\"echo\", \"2\"]\n[kinds.b]\nrun = [\"./none\"]\n", "none"),
        ("[kinds.a", "raincheck.toml:1"),
    ] {
        let logged = served.reload(bad, "the old ones stay");
        assert!(logged["error"].as_str().unwrap().contains(why), "{logged}");
        assert_eq!(served.result("a"), "1");
    }
    assert_eq!(served.reload(good, READ)["needs_restart"], "");
    assert_eq!(served.result("a"), "1");
}

/// What came through a pipe comes once; to wait for it again would keep the server from hearing its signals.
#[test]
fn a_pipe_is_not_read_again() {
    let mut served = Served::start_with("", &["--config", "pipe"], |folder| {
        let pipe = folder.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::thread::spawn(move || std::fs::write(pipe, "[kinds.a]\nrun = [\"echo\", \"1\"]\n"));
    });
    assert_eq!(served.result("a"), "1");
    let logged = served.reload("", "the old ones stay");
    assert!(logged["error"].as_str().unwrap().contains("no regular file"), "{logged}");
    assert_eq!(served.result("a"), "1");
    kill_process(Pid::from_child(&served.child), Signal::TERM).unwrap();
    assert!(served.child.wait().unwrap().success());
}

/// Folders, like programs, are taken from the file's.
#[test]
fn a_program_is_found_anew() {
    let served = Served::start("");
    let script = served.folder.path().join("run.sh");
    let write = |path: &Path, says: &str| {
        std::fs::write(path, format!("#!/bin/sh\necho {says}\n")).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    write(&script, "5");
    served.reload("[kinds.s]\nrun = [\"./run.sh\"]\n", READ);
    assert_eq!(served.result("s"), "5");
}
