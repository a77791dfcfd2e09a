//! Signals where there is no terminal, and a log that nobody reads.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{io::ioctl_fionread, pipe::fcntl_setpipe_size, process::Signal};

use super::{Cli, Worker, command, until};

/// The same command, with SIGHUP as it is by itself: whoever runs the tests may have it ignored.
fn heeds_hangup(command: &Command) -> Command {
    let mut heeds = Command::new("env");
    heeds.arg("--default-signal=HUP").arg(command.get_program()).args(command.get_args());
    heeds.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    heeds
}

#[test]
fn a_worker_without_settings_ends_on_hangup_and_not_under_nohup() {
    let cli = Cli::new();
    let begun = |worker: &mut Worker| {
        let mut lines = BufReader::new(worker.0.stderr.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("working"));
        std::thread::spawn(move || lines.for_each(drop));
    };
    let work = cli.command(&["work", "--kind", "k", "--", "cat"]);
    let mut nohup = Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(work.get_program()).args(work.get_args());
    nohup.env("RAINCHECK_SERVER", &cli.server.url).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut stays = Worker(nohup.spawn().unwrap());
    begun(&mut stays);
    stays.tell(Signal::HUP);
    assert_eq!(cli.run(&["submit", "k", "1", "--wait=20s"]).well(), "1");
    assert_eq!(stays.stop(), Some(0));

    let mut ends = Worker(heeds_hangup(&work).env("RAINCHECK_SERVER", &cli.server.url).spawn().unwrap());
    begun(&mut ends);
    ends.tell(Signal::HUP);
    assert_eq!(ends.ended(), Some(0));
}

/// Of a pipe, bytes.
const PAGE: u64 = 4096;

/// Whether it is alive.
fn is_answered(address: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET /livez HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// A server whose log is a small pipe, read until it was ready.
fn served() -> (Worker, BufReader<ChildStderr>, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut server =
        Worker(command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--data", "data"]).spawn().unwrap());
    let log = server.0.stderr.take().unwrap();
    fcntl_setpipe_size(&log, 2 * usize::try_from(PAGE).unwrap()).unwrap();
    let mut log = BufReader::new(log);
    loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if line["msg"] == "ready" {
            let address = line["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
            return (server, log, address, folder);
        }
    }
}

/// Has the server say something until its log takes no more, and on.
fn fill(server: &Worker, log: &BufReader<ChildStderr>, address: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let say = || {
        server.tell(Signal::HUP);
        is_answered(address);
    };
    // In the second of its two pages.
    while ioctl_fionread(log.get_ref()).unwrap() <= PAGE {
        assert!(Instant::now() < deadline, "the pipe does not get full");
        say();
    }
    // And until nothing more is taken for longer than anybody is waited for, so that what is said then is lost.
    loop {
        assert!(Instant::now() < deadline, "the pipe takes more and more");
        let (before, since, mut said) = (ioctl_fionread(log.get_ref()).unwrap(), Instant::now(), 0);
        while since.elapsed() < Duration::from_secs(1) || said < 20 {
            say();
            said += 1;
        }
        if ioctl_fionread(log.get_ref()).unwrap() == before {
            return;
        }
    }
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let (mut server, mut log, address, _folder) = served();
    fill(&server, &log, &address);
    // Whoever reads again learns what is missing.
    let (mut lines, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(30));
    while !lines.iter().any(|line: &String| line.contains("lines were lost")) {
        assert!(Instant::now() < deadline, "nothing is said to be lost: {lines:#?}");
        while ioctl_fionread(log.get_ref()).unwrap() > 0 || !log.buffer().is_empty() {
            let mut line = String::new();
            log.read_line(&mut line).unwrap();
            lines.push(line);
        }
        server.tell(Signal::HUP);
        is_answered(&address);
    }
    for line in &lines {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line:?}");
    }
    fill(&server, &log, &address);
    server.tell(Signal::TERM);
    assert_eq!(server.ended(), Some(0));
}

#[test]
fn a_log_that_is_closed_ends_nothing() {
    let (mut server, log, address, folder) = served();
    drop(log);
    for _ in 0..5 {
        server.tell(Signal::HUP);
        is_answered(&address);
    }
    server.tell(Signal::TERM);
    assert_eq!(server.ended(), Some(0));
    until("its lock is gone", || !folder.path().join("data/raincheck.db-wal").exists());
}
