//! A round: one data folder, one load over many faults, then the faults stop and everything is judged.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use tokio::sync::watch;

use crate::http::Http;
use crate::load::{Load, Mix};
use crate::log::{Complaint, Log};
use crate::oracle;
use crate::scratch::{Scratch, built};
use crate::server::{Launch, Server};
use crate::tally::Tally;
use crate::wire::Queues;

/// After the faults have stopped, every job has ended within this time.
const ENDS: Duration = Duration::from_secs(60);
/// Most memory that a server under this load may take, MiB.
const MEMORY: u64 = 256;
/// Most descriptors.
const DESCRIPTORS: usize = 256;
/// At most so many jobs run at once in the queue `narrow`.
pub const NARROW: u64 = 3;
/// At most so many wait in the queue `small`.
pub const SMALL: u64 = 5;
/// The queue and kind of what a campaign itself submits; it is not in the clients' log.
pub const PROBE: &str = "probe";

/// A round under way.
pub struct Round {
    scratch: Scratch,
    place: watch::Sender<Option<Arc<str>>>,
    /// What the clients know.
    pub log: Arc<Log>,
    load: Load,
    server: Option<Server>,
}

impl Round {
    /// Makes the folder and starts the load, which waits for a server.
    pub fn new(name: &str, seed: u64, mix: Mix) -> Result<Self> {
        let scratch = Scratch::new(name)?;
        let (place, here) = watch::channel(None);
        let log = Arc::new(Log::default());
        let load = Load::start(seed, mix, &here, &log)?;
        Ok(Self { scratch, place, log, load, server: None })
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Starts the server; the clients hear of it once it is ready.
    pub async fn start(&mut self, launch: &Launch) -> Result<()> {
        self.started(launch.start()?).await
    }

    /// The same; false when it ended before it was ready.
    pub async fn try_start(&mut self, launch: &Launch) -> Result<bool> {
        match launch.try_start()? {
            Some(server) => self.started(server).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn started(&mut self, server: Server) -> Result<()> {
        let url: Arc<str> = server.url.as_str().into();
        if self.log.read(|book| book.faults == 0) {
            let (place, here) = watch::channel(Some(url.clone()));
            let http = Http::new(here, self.log.clone())?;
            for (queue, settings) in
                [("narrow", json!({"concurrency": NARROW})), ("small", json!({"max_queued": SMALL}))]
            {
                let path = format!("/queues/{queue}");
                let body = settings.to_string().into_bytes();
                let answer = http.send(reqwest::Method::PATCH, &path, "application/json", body).await;
                ensure!(answer.is_ok_and(|answer| answer.status == 200), "{path} cannot be set");
            }
            drop(place);
        }
        self.place.send_replace(Some(url));
        self.server = Some(server);
        Ok(())
    }

    /// A client for the campaign itself.
    pub fn client(&self) -> Result<Http> {
        Http::new(self.place.subscribe(), self.log.clone())
    }

    /// The running server.
    pub fn server(&mut self) -> Result<&mut Server> {
        self.server.as_mut().context("no server is running")
    }

    /// Kills the server under the load.
    pub fn kill(&mut self) -> Result<()> {
        self.server.take().context("no server is running")?.kill()?;
        self.down();
        Ok(())
    }

    /// Tells the clients that there is no server.
    pub fn down(&mut self) {
        self.server = None;
        self.place.send_replace(None);
        self.log.write(|book| book.faults += 1);
    }

    /// The faults are over: brings all to its end on the running server; a broken promise is an error.
    pub async fn judge(self) -> Result<Tally> {
        let folder = self.scratch.path().to_owned();
        let (tally, complaints) = self.judge_all().await.with_context(|| format!("see {}", folder.display()))?;
        verdict(&folder, tally, &complaints)
    }

    /// The same, with every broken promise that was found.
    pub async fn judge_all(mut self) -> Result<(Tally, Vec<Complaint>)> {
        let url = self.place.borrow().clone().context("no server is running")?;
        let drained = tokio::time::timeout(ENDS, self.load.drain()).await;
        drained.context("the clients did not get their answers")??;
        let (_place, here) = watch::channel(Some(url));
        let http = Http::new(here, self.log.clone())?;
        let begin = Instant::now();
        loop {
            let queues: Queues = http.fetch("/queues").await?;
            let open: u64 = queues.items.iter().map(|it| it.scheduled + it.queued + it.blocked + it.running).sum();
            if open == 0 {
                break;
            }
            if begin.elapsed() > ENDS {
                bail!("{open} jobs have not ended {ENDS:?} after the faults: {queues:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let server = self.server.take().context("no server is running")?;
        let (memory, descriptors) = (server.resident()?, server.descriptors()?);
        if memory > MEMORY || descriptors > DESCRIPTORS {
            self.log.complain("bounds", format!("{memory} MiB and {descriptors} descriptors"));
        }
        tokio::time::timeout(ENDS, self.load.over()).await.context("workers or readers did not end")??;
        oracle::judge(&http, &self.log).await?;
        server.terminate()?;
        doctor(&self.log, &self.folder().join("disk/data"))?;
        Ok(self.log.read(|book| (book.tally(), book.complaints.clone())))
    }
}

/// Lets `raincheck doctor` look through the data of a server that has ended.
pub fn doctor(log: &Log, data: &Path) -> Result<()> {
    let said = Command::new(built("raincheck")?).args(["doctor", "--data"]).arg(data).env_clear().output()?;
    if !said.status.success() {
        log.complain("doctor", String::from_utf8_lossy(&said.stdout).into_owned());
    }
    Ok(())
}

/// Removes the folder of a round without complaints; says what was wrong with one that has some.
pub fn verdict(folder: &Path, tally: Tally, complaints: &[Complaint]) -> Result<Tally> {
    if complaints.is_empty() {
        std::fs::remove_dir_all(folder)?;
        return Ok(tally);
    }
    let shown: Vec<String> = complaints.iter().take(20).map(|it| format!("{}: {}", it.kind, it.text)).collect();
    let (count, shown) = (complaints.len(), shown.join("\n"));
    bail!("{count} broken promises, the data is kept in {}:\n{shown}\n{tally}", folder.display())
}
