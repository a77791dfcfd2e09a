//! The OpenAPI document, by those who judge it and those who make clients of it; bytes through two of these clients, and
//! the page that shows it in a browser.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::install;
use crate::live::{Scratch, Server};
use crate::run::{run, scripts};

/// For each of them.
const LONGEST: Duration = Duration::from_secs(120);

/// All of it, with the document as a server serves it.
pub fn check() -> Result<()> {
    let ours = scripts("openapi");
    let python = install::python(&ours)?;
    install::node(&ours)?;
    let scratch = Scratch::new("openapi")?;
    let server = Server::start(&scratch, None)?;
    let within = Within { ours: &ours, scratch: scratch.path() };
    for name in ["roundtrip.ts", "types.ts", "tsconfig.json", "redocly.yaml"] {
        std::fs::copy(ours.join(name), scratch.path().join(name))?;
    }
    within.run(Command::new("curl"), &["-fsS", "-o", "openapi.json", &format!("{}/openapi.json", server.url())])?;

    let module = |name: &str| {
        let mut command = Command::new(&python);
        command.args(["-m", name]).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    };
    within.run(module("openapi_spec_validator"), &["openapi.json"])?;
    within.node("redocly", &["lint", "openapi.json"])?;

    within.node("openapi-typescript", &["openapi.json", "--output", "schema.d.ts"])?;
    within.node("openapi-ts", &["--input", "openapi.json", "--output", "client"])?;
    within.node("tsc", &["--project", "."])?;
    within.run(Command::new("node"), &["js/roundtrip.js", server.url()])?;

    let config = ours.join("python-client.yaml");
    let config = config.to_str().context("a path in UTF-8")?;
    let make =
        ["generate", "--path", "openapi.json", "--output-path", "raincheck", "--meta", "none", "--config", config];
    within.run(module("openapi_python_client"), &make)?;
    let mut through = Command::new(&python);
    through.arg(ours.join("roundtrip.py")).env("PYTHONPATH", scratch.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    within.run(through, &[server.url()])?;
    page(scratch.path(), server.url())?;
    server.stop()
}

/// The page that shows the document, in a browser: what an operation takes, and how it is asked.
fn page(scratch: &Path, url: &str) -> Result<()> {
    let mut browser = Command::new("timeout");
    browser.args(["60", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000"]);
    browser.arg(format!("--user-data-dir={}", scratch.join("browser").display()));
    let shown = browser.args(["--dump-dom", &format!("{url}/docs#submit_bytes")]).stderr(Stdio::null()).output()?;
    let shown = String::from_utf8_lossy(&shown.stdout);
    for part in ["retry.max_attempts", "Idempotency-Key", "--data-binary @FILE", "any media type", "202"] {
        if !shown.contains(part) {
            bail!("the page of the API does not show `{part}`:\n{shown}");
        }
    }
    Ok(())
}

/// Where programs run, and where those of Node come from.
struct Within<'a> {
    ours: &'a Path,
    scratch: &'a Path,
}

impl Within<'_> {
    fn node(&self, name: &str, args: &[&str]) -> Result<()> {
        self.run(Command::new(self.ours.join("node_modules/.bin").join(name)), args)
    }

    fn run(&self, mut command: Command, args: &[&str]) -> Result<()> {
        // They tell nobody of it and ask nobody for newer versions.
        command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
        run(
            {
                command.args(args).current_dir(self.scratch);
                command
            },
            LONGEST,
        )
    }
}
