//! A server without a load, for campaigns that bring their own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::watch;

use crate::http::Http;
use crate::log::Log;
use crate::round::{doctor, verdict};
use crate::scratch::Scratch;
use crate::server::{Launch, Server};
use crate::tally::Tally;
use crate::wire::{Queue, Queues};

/// A running server, somebody who asks it, and what there is to complain about.
pub struct TestServer {
    scratch: Scratch,
    launch: Launch,
    place: watch::Sender<Vec<Arc<str>>>,
    server: Option<Server>,
    /// Asks the server, and waits while it is down.
    pub http: Http,
    /// What is broken.
    pub log: Arc<Log>,
}

impl TestServer {
    /// Starts a server with these settings, in the words of `raincheck.toml`.
    pub fn new(name: &str, settings: &str) -> Result<Self> {
        let scratch = Scratch::new(name)?;
        std::fs::write(scratch.path().join("raincheck.toml"), settings)?;
        let launch = Launch::new(scratch.path())?;
        let (place, here) = watch::channel(Vec::new());
        let log = Arc::new(Log::default());
        let http = Http::new(here, log.clone())?;
        let mut test = Self { scratch, launch, place, server: None, http, log };
        test.start()?;
        Ok(test)
    }

    /// Starts the server again.
    pub fn start(&mut self) -> Result<()> {
        let server = self.launch.start()?;
        self.place.send_replace(vec![server.url.as_str().into()]);
        self.server = Some(server);
        Ok(())
    }

    /// Starts the server again, if it can be; answers whether.
    pub fn try_start(&mut self) -> Result<bool> {
        let Some(server) = self.launch.try_start()? else { return Ok(false) };
        self.place.send_replace(vec![server.url.as_str().into()]);
        self.server = Some(server);
        Ok(true)
    }

    /// Ends the server in peace.
    pub fn terminate(&mut self) -> Result<()> {
        self.place.send_replace(Vec::new());
        self.server.take().context("no server is running")?.terminate()
    }

    /// Kills the server.
    pub fn kill(&mut self) -> Result<()> {
        self.place.send_replace(Vec::new());
        self.server.take().context("no server is running")?.kill()
    }

    /// The folder of everything of this campaign.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.launch.data()
    }

    /// The running server.
    pub fn server(&self) -> Result<&Server> {
        self.server.as_ref().context("no server is running")
    }

    /// The statistics of a queue.
    pub async fn queue(&self, name: &str) -> Result<Queue> {
        let queues: Queues = self.http.fetch("/queues").await?;
        queues.items.into_iter().find(|queue| queue.name == name).with_context(|| format!("no queue {name}"))
    }

    /// Ends the server, looks through its data, and fails with what is broken; passes on what was done.
    pub fn close(mut self, tally: Tally) -> Result<Tally> {
        self.server.take().context("no server is running")?.terminate()?;
        doctor(&self.log, &self.launch)?;
        let complaints = self.log.read(|records| records.complaints.clone());
        verdict(self.scratch.path(), tally, &complaints)
    }
}

/// Looks every few milliseconds until `fact` holds; an error after `limit`.
pub async fn until(what: &str, limit: Duration, mut fact: impl AsyncFnMut() -> Result<bool>) -> Result<Duration> {
    let begin = Instant::now();
    while !fact().await? {
        ensure!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(begin.elapsed())
}
