//! Event streams by other people's clients: WebSockets by `ws` and `websockets`, server-sent events by `httpx-sse`, `sseclient-py`,
//! `eventsource` and `event-source-polyfill`. The server is stopped and killed under them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::install;
use crate::live::{Scratch, Server};
use crate::run::{scripts, wait};

/// It ends by itself before.
const LONG: Duration = Duration::from_secs(120);

pub fn run() -> Result<()> {
    let folder = scripts("streams");
    let python = install::python(&folder)?;
    install::node(&folder)?;
    let scratch = Scratch::new("streams")?;
    let mut server = Server::start(&scratch, None)?;
    let mut command = Command::new(python);
    command.arg("-B").arg(folder.join("check.py")).arg(server.url());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut up = child.stdin.take().context("stdin is piped")?;
    for line in BufReader::new(child.stdout.take().context("stdout is piped")?).lines() {
        let line = line?;
        match line.as_str() {
            "TERM" | "KILL" => {
                server = server.again(&line, &scratch)?;
                writeln!(up, "up").context("the check has ended before the server was up again")?;
            }
            said => println!("{said}"),
        }
    }
    match wait(&mut child, LONG)? {
        Some(status) if status.success() => server.stop(),
        Some(status) => bail!("the check ended with {status}"),
        None => bail!("the check did not end"),
    }
}
