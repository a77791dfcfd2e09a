//! `httplint` (the library behind REDbot) reads an answer of every route and status; curl sends forms and gzip.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::install;
use crate::live::{Scratch, Server};
use crate::run::{run, scripts};

const TOKEN: &str = "lint-token";

/// The check.
pub fn check() -> Result<()> {
    let folder = scripts("http");
    let python = install::python(&folder)?;
    let (open_scratch, guarded_scratch) = (Scratch::new("http")?, Scratch::new("http-guarded")?);
    let open = Server::start(&open_scratch, Some(&folder.join("serve.toml")))?;
    std::fs::write(guarded_scratch.path().join("token"), TOKEN)?;
    let config = guarded_scratch.path().join("raincheck.toml");
    std::fs::write(&config, "[server]\nadmin_token = \"file:token\"\ncors_origins = [\"https://page.example\"]\n")?;
    let guarded = Server::start(&guarded_scratch, Some(&config))?;
    let mut lint = Command::new(python);
    lint.env("PYTHONDONTWRITEBYTECODE", "1").arg(folder.join("lint.py")).args([open.url(), guarded.url(), TOKEN]);
    run(lint, Duration::from_secs(120))?;
    let mut curl = Command::new("sh");
    curl.arg(folder.join("curl.sh")).arg(open.url()).current_dir(open_scratch.path());
    run(curl, Duration::from_secs(60))?;
    open.stop()?;
    guarded.stop()
}
