//! Steps that drive the release binary as a user would: the demo, the example workers, the video example.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::install;
use crate::run::{release, root, run, signal, wait};

/// `raincheck demo --once` in an empty folder: ends by itself, with 0 only if every job succeeded.
pub fn demo() -> Result<()> {
    let scratch = Scratch::new("demo")?;
    let mut command = Command::new(release("raincheck"));
    command.args(["demo", "--once"]).current_dir(&scratch.0);
    run(command, Duration::from_secs(300))?;
    if !scratch.0.join("raincheck-demo").is_dir() {
        bail!("the demo left no ./raincheck-demo folder with its data");
    }
    Ok(())
}

/// The workers and scripts directly in `examples/`, each against a live server of its own, side by side: most of it is
/// waiting.
pub fn examples() -> Result<()> {
    std::thread::scope(|threads| {
        let running = ["worker.py", "worker.mjs", "worker.sh"].map(|worker| threads.spawn(move || example(worker)));
        // All are waited for; the first that failed is told.
        running.map(|thread| thread.join().unwrap_or_else(|_| bail!("a check panicked"))).into_iter().collect()
    })
}

fn example(worker: &str) -> Result<()> {
    let scratch = Scratch::new(&format!("example-{worker}"))?;
    let server = Server::start(&scratch, None)?;
    let mut check = script("examples/check.sh", &scratch, &server);
    check.arg(worker);
    run(check, Duration::from_secs(300))?;
    server.stop()
}

/// `examples/video-compression`: by curl, and its page in a browser.
pub fn video() -> Result<()> {
    let scratch = Scratch::new("video")?;
    install::node(&root().join("dev/xtask/browser"))?;
    let server = Server::start(&scratch, Some(&root().join("examples/video-compression/raincheck.toml")))?;
    run(script("examples/video-compression/check.sh", &scratch, &server), Duration::from_secs(600))?;
    server.stop()
}

/// A program that was built without S3 says how to get it, before it looks for a database.
pub fn without_s3() -> Result<()> {
    let scratch = Scratch::new("without-s3")?;
    let mut command = Command::new(release("raincheck"));
    command.args(["serve", "--store", "postgres://nobody@127.0.0.1:1/none", "--data", "data"]).current_dir(&scratch.0);
    let refused = command.env("RAINCHECK_STORE__BLOBS", "s3://bucket/prefix").output()?;
    let said = String::from_utf8_lossy(&refused.stderr);
    if refused.status.success() || !said.contains("s3://bucket/prefix") || !said.contains("--features s3") {
        bail!("it should say how to get S3, not this: {said}");
    }
    Ok(())
}

fn script(path: &str, scratch: &Scratch, server: &Server) -> Command {
    let mut command = Command::new("sh");
    command.arg(root().join(path)).current_dir(&scratch.0);
    command.env("RAINCHECK", release("raincheck")).env("RAINCHECK_SERVER", &server.url);
    command
}

/// A folder of its own for one step, gone with it.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// An empty one.
    pub fn new(name: &str) -> Result<Scratch> {
        let path = std::env::temp_dir().join(format!("raincheck-xtask-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A `raincheck serve` on a port of its own; killed if its step fails, drained if it passes.
pub struct Server {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Server {
    /// Where it answers, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it is ready.
    pub fn start(scratch: &Scratch, config: Option<&Path>) -> Result<Server> {
        let log = scratch.0.join("server.log");
        let mut command = Command::new(release("raincheck"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(scratch.0.join("data"));
        if let Some(config) = config {
            command.arg("--config").arg(config);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).current_dir(&scratch.0);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", release("raincheck").display()))?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        let (ready, receiver) = mpsc::channel();
        let copy = File::create(&log)?;
        std::thread::spawn(move || keep_log(stderr, copy, &ready));
        let mut server = Server { child, url: String::new(), log };
        match receiver.recv_timeout(Duration::from_secs(20)) {
            Ok(url) => server.url = url,
            Err(_) => bail!("the server did not say that it is ready; it said:\n{}", server.said()),
        }
        println!("server at {}", server.url);
        Ok(server)
    }

    /// SIGTERM must drain the server and end it with 0 in ten seconds; a little more is allowed for a busy machine.
    pub fn stop(mut self) -> Result<()> {
        signal("TERM", self.child.id());
        match wait(&mut self.child, Duration::from_secs(15))? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("the server ended with {status} after SIGTERM; it said:\n{}", self.said()),
            None => bail!("the server did not drain after SIGTERM; it said:\n{}", self.said()),
        }
    }

    /// The end of what the server wrote.
    fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let running = matches!(self.child.try_wait(), Ok(None));
        if running {
            eprintln!("the server's last lines:\n{}", self.said());
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Copies the server's log to a file and tells the URL of its one "ready" line.
fn keep_log(stderr: impl Read, mut copy: File, ready: &mpsc::Sender<String>) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        // The copy helps to read a failure; it makes none.
        let _ = writeln!(copy, "{line}");
        if let Some(url) = ready_url(&line) {
            let _ = ready.send(url);
        }
    }
}

fn ready_url(line: &str) -> Option<String> {
    let packed: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    if !packed.contains("\"msg\":\"ready\"") {
        return None;
    }
    let url = packed[packed.find("\"http://")? + 1..].split('"').next()?;
    Some(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_of_a_ready_line() {
        let line = r#"{"level":"info", "msg": "ready", "url": "http://127.0.0.1:41234/"}"#;
        assert_eq!(ready_url(line).as_deref(), Some("http://127.0.0.1:41234"));
        assert_eq!(ready_url(r#"{"msg":"starting","url":"http://127.0.0.1:1"}"#), None);
    }
}
