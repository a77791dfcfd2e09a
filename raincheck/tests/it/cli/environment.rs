//! What programs get of the environment of a server or a worker: nothing that may be a secret, unless it is listed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{Cli, Worker, command, said, serve::ready};
use crate::server::until;

/// Writes down the program's environment and its parent's, and then takes no job in particular.
const LOOKS: &str = "{ env; tr '\\0' '\\n' < /proc/$PPID/environ; } > seen.part; mv seen.part seen; exec sleep 60";
const PLANTED: [(&str, &str); 5] = [
    ("DATABASE_PASSWORD", "s3cret-1"),
    ("RAINCHECK_ADMIN_TOKEN", "s3cret-2"),
    ("RAINCHECK_TOKEN", "s3cret-2"),
    ("MODEL_DIR", "/models"),
    ("HOME", "/home/of-the-worker"),
];

async fn seen(folder: &Path) -> String {
    let file: PathBuf = folder.join("seen");
    until("the program looked", std::time::Duration::from_secs(20), async || file.exists()).await;
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    text
}

fn serve(folder: &Path, kind: &str) -> (Worker, String) {
    let config = format!("[kinds.k]\nrun = [\"sh\", \"-c\", '''{LOOKS}''']\n{kind}");
    std::fs::write(folder.join("raincheck.toml"), config).unwrap();
    let mut serve = command(folder, &["serve", "--listen", "127.0.0.1:0", "--data", "data"]);
    let mut server = Worker(serve.envs(PLANTED).spawn().unwrap());
    let url = ready(&mut server);
    let mut submit = command(folder, &["submit", "k", "1", "--server", &url]);
    submit.env("RAINCHECK_TOKEN", "s3cret-2");
    said(submit, None).well();
    (server, url)
}

fn judge(seen: &str, listed: bool) {
    assert!(!seen.contains("s3cret"), "{seen}");
    assert!(seen.lines().filter(|line| *line == "HOME=/home/of-the-worker").count() == 2, "{seen}");
    assert_eq!(seen.contains("MODEL_DIR=/models"), listed, "{seen}");
    assert!(seen.contains("RAINCHECK_TMP="), "{seen}");
}

#[tokio::test]
async fn programs_of_a_server_get_what_is_listed() {
    for (kind, listed) in [
        ("", false),
        ("keep = true\n", false),
        ("env = [\"MODEL_*\"]\n", true),
        ("keep = true\nenv = [\"MODEL_DIR\"]\n", true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let _server = serve(folder.path(), kind);
        judge(&seen(folder.path()).await, listed);
    }
}

#[tokio::test]
async fn all_does_not_stand_for_what_the_server_takes_secrets_from() {
    let folder = tempfile::tempdir().unwrap();
    let config = "env = [\"*\"]\n[server]\nadmin_token = \"env:DATABASE_PASSWORD\"\n";
    let text = format!("[kinds.k]\nrun = [\"sh\", \"-c\", '''{LOOKS}''']\n{config}");
    std::fs::write(folder.path().join("raincheck.toml"), text).unwrap();
    let mut serve = command(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--data", "data"]);
    serve.envs(PLANTED).env_remove("RAINCHECK_ADMIN_TOKEN").env("OTHER", "of-the-operator");
    let mut server = Worker(serve.spawn().unwrap());
    let url = ready(&mut server);
    said(command(folder.path(), &["submit", "k", "1", "--server", &url, "--token", "s3cret-1"]), None).well();
    let seen = seen(folder.path()).await;
    judge(&seen, true);
    assert!(seen.contains("OTHER=of-the-operator"), "{seen}");
}

#[tokio::test]
async fn programs_of_a_worker_get_what_is_listed() {
    let cli = Cli::new();
    for (more, listed) in [(&[][..], false), (&["--keep"], false), (&["--env", "MODEL_DIR", "--env", "X"], true)] {
        cli.run(&["submit", "k", "1"]).well();
        let arguments = [&["work", "--kind", "k", "--server", &cli.server.url][..], more, &["--", "sh", "-c", LOOKS]];
        let mut work = command(cli.folder.path(), &arguments.concat());
        let _worker = Worker(work.envs(PLANTED).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        judge(&seen(cli.folder.path()).await, listed);
    }
}

#[test]
fn what_cannot_be_handed_down_is_refused() {
    let cli = Cli::new();
    let err = cli.run(&["work", "--kind", "k", "--env", "RAINCHECK_TOKEN", "--", "cat"]).with(2).err;
    assert!(err.contains("RAINCHECK_TOKEN") && err.contains("can't be handed down"), "{err}");
    std::fs::write(cli.folder.path().join("raincheck.toml"), "[kinds.k]\nrun = [\"cat\"]\nenv = [\"A=1\"]\n").unwrap();
    let err = cli.run(&["config", "check"]).with(2).err;
    assert!(err.contains("raincheck.toml:3") && err.contains("names no variables"), "{err}");
}
