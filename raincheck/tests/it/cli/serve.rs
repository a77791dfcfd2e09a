//! `raincheck serve`: who may come, what it runs by itself, and how it ends.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{Cli, Worker, command, said, work::until_running};
use crate::server::Server;

fn kinds(folder: &std::path::Path, text: &str) -> String {
    let file = folder.join("conf/raincheck.toml");
    std::fs::create_dir_all(folder.join("conf")).unwrap();
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[test]
fn others_are_only_let_in_with_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let err = said(command(folder.path(), &["serve", "--listen", "0.0.0.0:0"]), None).with(2).err;
    assert!(err.contains("no token is set") && err.contains("RAINCHECK_ADMIN_TOKEN"), "{err}");
}

#[test]
fn a_token_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "s3cret\n").unwrap();
    let config = kinds(folder.path(), "[server]\nadmin_token = \"file:../token\"\n[kinds.k]\nrun = [\"cat\"]\n");
    let cli = Cli { server: Server::start(folder.path(), &["--config", &config]), folder };
    let err = cli.run(&["list"]).with(5).err;
    assert!(err.contains("RAINCHECK_TOKEN"), "{err}");
    assert_eq!(cli.run(&["list", "--token", "s3cret"]).well(), "");
    let result = cli.run(&["submit", "k", "[1]", "--wait=20s", "--token", "s3cret"]).well();
    assert_eq!(result, "[1]", "the built-in worker has the token, too");
}

#[test]
fn programs_are_found_from_the_files_folder() {
    let folder = tempfile::tempdir().unwrap();
    let config = kinds(folder.path(), "[kinds.k]\nrun = [\"./run.sh\", \"x y\"]\ndescription = \"d\"\nqueue = \"q\"\n");
    let script = folder.path().join("conf/run.sh");
    std::fs::write(&script, "#!/bin/sh\nprintf '\"%s in %s\"' \"$1\" \"${PWD##*/}\"\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let cli = Cli { server: Server::start(folder.path(), &["--config", &config]), folder };
    let id = cli.run(&["submit", "k"]).well();
    cli.run(&["wait", &id, "--timeout", "20s"]).well();
    assert_eq!(cli.run(&["result", &id]).well(), "\"x y in conf\"");
    assert_eq!(cli.job(&id, "queue"), "q");
}

/// While the start may still fail nobody hears that the server is ready, and no job is taken: who connects early waits.
#[test]
fn nobody_is_answered_before_the_programs_were_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let config = kinds(folder.path(), "[kinds.k]\nrun = [\"bin/run.sh\"]\n");
    let (script, trace) = (folder.path().join("conf/bin/run.sh"), folder.path().join("trace"));
    std::fs::create_dir(script.parent().unwrap()).unwrap();
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The look takes two seconds, as it may on a disk that is far away. With `-D` the server is the child, not strace.
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-qq", "-e", "trace=statx", "-e", "inject=statx:delay_enter=2000000", "-P"]);
    strace.arg(&script).arg("-o").arg(&trace).arg(env!("CARGO_BIN_EXE_raincheck"));
    strace
        .args(["serve", "--listen", &free.to_string(), "--config", &config, "--data"])
        .arg(folder.path().join("data"));
    strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = Worker(strace.spawn().unwrap());
    // Who connects to a port at which nobody listens may meet himself: so it is asked of the system who listens.
    let listens = format!("0100007F:{:04X} 00000000:0000 0A", free.port());
    while !std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&listens) {
        assert!(server.0.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut early = TcpStream::connect(free).unwrap();
    early.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    early.read_to_string(&mut answer).unwrap();
    let looked = std::fs::read_to_string(&trace).unwrap();
    assert!(looked.contains("run.sh") && looked.contains("= 0"), "answered before it looked: {answer} {looked}");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.tell(Signal::TERM);
}

#[test]
fn a_drain_hands_commands_back_uncounted() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[server]\ngrace = \"300ms\"\n[kinds.k]\nrun = [\"sh\", \"-c\", \"[ $RAINCHECK_ATTEMPT = 1 ] && exec sleep 60; echo again\"]\n";
    let config = kinds(folder.path(), text);
    let mut cli = Cli { server: Server::start(folder.path(), &["--config", &config]), folder };
    let id = cli.run(&["submit", "k"]).well();
    until_running(&cli, &id);
    let (code, took) = cli.server.terminate();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    cli.server = Server::start(cli.folder.path(), &["--config", &config]);
    cli.run(&["wait", &id, "--timeout", "20s"]).well();
    assert_eq!(cli.run(&["result", &id]).well(), "again");
    assert_eq!((cli.job(&id, "attempt"), cli.job(&id, "failures")), (2.into(), 0.into()));
}

#[test]
fn a_second_signal_ends_it_now() {
    let folder = tempfile::tempdir().unwrap();
    let config = kinds(folder.path(), "[server]\ngrace = \"1m\"\n[kinds.k]\nrun = [\"sleep\", \"60\"]\n");
    let mut serve = command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--config", &config]);
    let mut server = Worker(serve.spawn().unwrap());
    let url = ready(&mut server);
    let mut submit = command(folder.path(), &["submit", "k", "--server", &url]);
    submit.env_remove("RAINCHECK_SERVER");
    said(submit, None).well();
    std::thread::sleep(Duration::from_millis(300));
    server.tell(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    let signaled_at = Instant::now();
    server.tell(Signal::INT);
    assert_ne!(server.0.wait().unwrap().code(), Some(0));
    assert!(signaled_at.elapsed() < Duration::from_secs(1), "{:?}", signaled_at.elapsed());
}

#[test]
fn what_is_ephemeral_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--ephemeral"]);
    serve.env("TMPDIR", folder.path());
    let mut server = Worker(serve.spawn().unwrap());
    ready(&mut server);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn queues_of_the_file_are_read_again_on_hangup() {
    let folder = tempfile::tempdir().unwrap();
    let config = kinds(folder.path(), "[queues.q]\nconcurrency = 1\n");
    let cli = Cli { server: Server::start(folder.path(), &["--config", &config]), folder };
    let concurrency = || {
        let shown = cli.run(&["queue", "show", "q", "-o", "json"]).well();
        serde_json::from_str::<serde_json::Value>(&shown).unwrap()["concurrency"].clone()
    };
    assert_eq!(concurrency(), 1);
    assert!(cli.run(&["queue", "set", "q", "concurrency=9"]).with(5).err.contains("config"));
    kinds(cli.folder.path(), "[queues.q]\nconcurrency = 2\n");
    let pid = rustix::process::Pid::from_raw(i32::try_from(cli.server.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    let begin = Instant::now();
    while concurrency() != 2 {
        assert!(begin.elapsed() < Duration::from_secs(5), "not read again");
    }
}

#[test]
fn open_files_are_raised_for_itself_and_not_for_its_programs() {
    let folder = tempfile::tempdir().unwrap();
    let config = kinds(folder.path(), "[kinds.k]\nrun = [\"sh\", \"-c\", \"ulimit -Sn\"]\n");
    let serve = command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--config", &config]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -Sn 900 && exec \"$@\"", "sh"]).arg(serve.get_program()).args(serve.get_args());
    shell.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = Worker(shell.spawn().unwrap());
    let url = ready(&mut server);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.0.id())).unwrap();
    let files: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max open files")).unwrap().split_whitespace().collect();
    assert!(files[3].parse::<u64>().unwrap() > 900 || files[4] == "900", "{files:?}");
    let submit = command(folder.path(), &["submit", "k", "--wait=20s", "--server", &url]);
    assert_eq!(said(submit, None).well(), "900");
}

/// The URL of its ready line.
pub fn ready(server: &mut Worker) -> String {
    let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let url = loop {
        let line = lines.next().unwrap().unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        if line["msg"] == "ready" {
            break line["url"].as_str().unwrap().to_owned();
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    url
}

/// Ends some seconds after SIGTERM, and says so.
const TIDY: &str = "trap 'sleep 5; echo tidied > TIDIED; exit 1' TERM; touch BEGUN; while :; do sleep 0.1; done";

#[test]
fn a_command_has_ten_seconds_from_sigterm_when_it_is_canceled_and_what_is_left_of_them_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        kinds(folder.path(), &format!("[server]\ngrace = \"1s\"\n[kinds.k]\nrun = [\"sh\", \"-c\", \"{TIDY}\"]\n"));
    let mut cli = Cli { server: Server::start(folder.path(), &["--config", &config]), folder };
    let [begun, tidied] = ["BEGUN", "TIDIED"].map(|name| cli.folder.path().join("conf").join(name));
    let appears = |path: &std::path::Path| {
        let begin = Instant::now();
        while !path.exists() {
            assert!(begin.elapsed() < Duration::from_secs(20), "{} does not come", path.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::remove_file(path).unwrap();
    };
    let id = cli.run(&["submit", "k"]).well();
    appears(&begun);
    cli.run(&["cancel", &id]).well();
    appears(&tidied);
    cli.run(&["wait", &id, "--timeout", "20s"]).with(1);

    cli.run(&["submit", "k"]).well();
    appears(&begun);
    let (code, took) = cli.server.terminate();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(tidied.exists(), "it was killed before");
}

#[test]
fn what_a_killed_ephemeral_server_left_is_removed_by_the_next() {
    let (folder, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = || {
        let mut serve =
            command(folder.path(), &["serve", "--ephemeral", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        let mut child = serve.env("TMPDIR", temporary.path()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        lines.find(|line| line.as_ref().unwrap().contains("\"msg\":\"ready\"")).unwrap().unwrap();
        // The pipe must not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Worker(child)
    };
    let folders = || {
        let entries = std::fs::read_dir(temporary.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("raincheck-ephemeral-")).collect::<Vec<_>>()
    };
    let mut first = start();
    let of_the_first = folders();
    let mut second = start();
    assert_eq!(folders().len(), 2, "one that runs keeps its own");
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    assert_eq!(folders().len(), 2);
    let mut third = start();
    let now = folders();
    assert!(now.len() == 2 && !now.contains(&of_the_first[0]), "{now:?}");
    assert_eq!((second.stop(), third.stop()), (Some(0), Some(0)));
    assert_eq!(folders(), [""; 0]);
}
