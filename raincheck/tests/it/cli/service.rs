//! As a service: under whoever starts it, and as the first process of a container.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::{Cli, Worker, command, said, serve::ready, until};
use crate::server::processes;

fn told(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 256];
    let read = socket.recv(&mut bytes).expect("it is told");
    String::from_utf8(bytes[..read].to_vec()).unwrap()
}

#[test]
fn whoever_started_it_is_told_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let name = format!("raincheck-test-{}", std::process::id());
    let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
    for (socket, at) in [
        (UnixDatagram::bind(&path).unwrap(), path.display().to_string()),
        (UnixDatagram::bind_addr(&abstract_name).unwrap(), format!("@{name}")),
    ] {
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut serve = command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--ephemeral"]);
        let mut server = Worker(serve.env("NOTIFY_SOCKET", &at).spawn().unwrap());
        let url = ready(&mut server);
        assert_eq!(told(&socket), "READY=1");
        server.tell(Signal::HUP);
        let reloading = told(&socket);
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap_or_else(|| panic!("{reloading}"));
        assert!(time.parse::<u64>().is_ok_and(|time| time > 0), "{reloading}");
        assert_eq!(told(&socket), "READY=1");

        let mut work = command(folder.path(), &["work", "--kind", "k", "--server", &url, "--", "cat"]);
        let mut worker = Worker(work.env("NOTIFY_SOCKET", &at).stderr(Stdio::null()).spawn().unwrap());
        assert_eq!(told(&socket), "READY=1");
        assert_eq!(worker.stop(), Some(0));
        assert_eq!(told(&socket), "STOPPING=1");
        assert_eq!(server.stop(), Some(0));
        assert_eq!(told(&socket), "STOPPING=1");
    }
    // One that is not there is no reason not to serve.
    let mut serve = command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--ephemeral"]);
    let mut server = Worker(serve.env("NOTIFY_SOCKET", folder.path().join("nobody")).spawn().unwrap());
    ready(&mut server);
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_worker_says_what_it_runs() {
    let cli = Cli::new();
    let script = "[ $RAINCHECK_ATTEMPT = 2 ] || { echo 'no such clip' >&2; exit 75; }";
    let mut worker = Worker(cli.command(&["work", "--kind", "k", "--", "sh", "-c", script]).spawn().unwrap());
    let id = cli.run(&["submit", "k"]).well();
    cli.run(&["wait", &id, "--timeout", "20s"]).well();
    worker.tell(Signal::TERM);
    let mut log = String::new();
    std::io::Read::read_to_string(&mut worker.0.stderr.take().unwrap(), &mut log).unwrap();
    let runs: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["job"] == id.as_str())
        .collect();
    let said: Vec<String> = runs
        .iter()
        .map(|line| {
            format!("{} {} {} {} {}", line["level"], line["msg"], line["attempt"], line["outcome"], line["kind"])
        })
        .collect();
    assert_eq!(
        said,
        [
            r#""info" "a run begins" 1 null "k""#,
            r#""info" "a run ended" 1 "failed" "k""#,
            r#""info" "a run begins" 2 null "k""#,
            r#""info" "a run ended" 2 "succeeded" "k""#,
        ]
    );
    assert!(runs[1]["why"].as_str().unwrap().contains("no such clip") && runs[1]["milliseconds"].is_u64(), "{runs:?}");
    assert_eq!(worker.ended(), Some(0));
}

/// The children of a process.
fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

fn unshare() -> Command {
    let mut unshare = Command::new("unshare");
    if !geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--pid", "--fork", "--kill-child"]);
    unshare
}

/// What is left behind there becomes its child, and is waited for; signals reach the server, and its end is theirs.
#[test]
fn the_first_process_of_a_container_is_a_parent_to_all() {
    let may = unshare().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !may {
        println!("not tested: this user may not make a namespace of processes");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mark = format!("33.{}", std::process::id());
    std::fs::write(folder.path().join("raincheck.toml"), format!("[kinds.k]\nrun = [\"sleep\", \"{mark}\"]\n"))
        .unwrap();
    let serve = command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--data", "data"]);
    let mut container = unshare();
    container.arg(serve.get_program()).args(serve.get_args()).current_dir(folder.path());
    container.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut container = Worker(container.spawn().unwrap());
    let url = ready(&mut container);
    let [first] = children(container.0.id())[..] else { panic!("unshare has one child") };
    said(command(folder.path(), &["submit", "k", "--server", &url]), None).well();
    let is_sleep = |pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
    until("it runs", || processes(&mark).iter().any(is_sleep));
    let all = processes(&mark);
    let sleep = *all.iter().find(|pid| is_sleep(pid)).unwrap();
    for supervisor in all.into_iter().filter(|pid| *pid != sleep) {
        signal(supervisor, Signal::KILL);
    }
    until("it has lost its parent", || children(first).contains(&sleep));
    signal(sleep, Signal::KILL);
    until("it is waited for", || !Path::new(&format!("/proc/{sleep}")).exists());
    signal(first, Signal::TERM);
    assert_eq!(container.ended(), Some(0));
}
