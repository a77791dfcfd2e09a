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
use crate::queues::{NARROW, SMALL};
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

/// How long a restart took.
pub struct Restart {
    /// From SIGTERM until the process was gone.
    pub ended_in: Duration,
    /// From its start until it was ready.
    pub ready_in: Duration,
}

/// A round under way.
pub struct Round {
    scratch: Scratch,
    place: watch::Sender<Vec<Arc<str>>>,
    /// What the clients know.
    pub log: Arc<Log>,
    load: Load,
    /// Those that run, and how each was started.
    servers: Vec<(Launch, Server)>,
}

impl Round {
    /// Makes the folder and starts the load, which waits for a server.
    pub fn new(name: &str, seed: u64, mix: Mix) -> Result<Self> {
        let scratch = Scratch::new(name)?;
        let (place, here) = watch::channel(Vec::new());
        let log = Arc::new(Log::default());
        let load = Load::start(seed, mix, &here, &log)?;
        Ok(Self { scratch, place, log, load, servers: Vec::new() })
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Starts a server; the clients hear of it once it is ready.
    pub async fn start(&mut self, launch: &Launch) -> Result<()> {
        self.started(launch, launch.start()?).await
    }

    /// The same; false when it ended before it was ready.
    pub async fn try_start(&mut self, launch: &Launch) -> Result<bool> {
        match launch.try_start()? {
            Some(server) => self.started(launch, server).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn started(&mut self, launch: &Launch, server: Server) -> Result<()> {
        if self.servers.is_empty() && self.log.read(|records| records.faults == 0) {
            let (place, here) = watch::channel(vec![server.url.as_str().into()]);
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
        self.servers.push((launch.clone(), server));
        self.tell();
        Ok(())
    }

    /// A client for the campaign itself.
    pub fn client(&self) -> Result<Http> {
        Http::new(self.place.subscribe(), self.log.clone())
    }

    /// Where the running servers are.
    pub fn urls(&self) -> Vec<Arc<str>> {
        self.place.borrow().clone()
    }

    /// The running server.
    pub fn server(&mut self) -> Result<&mut Server> {
        self.servers.first_mut().map(|(_, server)| server).context("no server is running")
    }

    /// Kills the server that has run for longest under the load; answers how it was started.
    pub fn kill(&mut self) -> Result<Launch> {
        ensure!(!self.servers.is_empty(), "no server is running");
        let (launch, server) = self.servers.remove(0);
        server.kill()?;
        self.down();
        Ok(launch)
    }

    /// Ends the server that has run for longest with SIGTERM, and starts it again: how long each took. The clients are not
    /// told, and go on asking there meanwhile.
    pub fn restart(&mut self) -> Result<Restart> {
        ensure!(!self.servers.is_empty(), "no server is running");
        let (launch, server) = self.servers.remove(0);
        let begin = Instant::now();
        server.terminate()?;
        let ended_in = begin.elapsed();
        let server = launch.start()?;
        let restart = Restart { ended_in, ready_in: server.started_in };
        self.servers.push((launch, server));
        self.log.write(|records| records.faults += 1);
        Ok(restart)
    }

    /// Counts a fault, and tells the clients which servers there are after it.
    pub fn down(&mut self) {
        self.log.write(|records| records.faults += 1);
        self.tell();
    }

    fn tell(&self) {
        self.place.send_replace(self.servers.iter().map(|(_, server)| server.url.as_str().into()).collect());
    }

    /// The faults are over: brings all to its end on the running server; a broken promise is an error.
    pub async fn judge(self) -> Result<Tally> {
        let folder = self.scratch.path().to_owned();
        let (tally, complaints) = self.judge_all().await.with_context(|| format!("see {}", folder.display()))?;
        verdict(&folder, tally, &complaints)
    }

    /// The same, with every broken promise that was found.
    pub async fn judge_all(mut self) -> Result<(Tally, Vec<Complaint>)> {
        let drained = tokio::time::timeout(ENDS, self.load.drain()).await;
        drained.context("the clients did not get their answers")??;
        let (_place, here) = watch::channel(self.place.borrow().clone());
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
        for (_, server) in &self.servers {
            let (memory, descriptors) = (server.resident()?, server.descriptors()?);
            if memory > MEMORY || descriptors > DESCRIPTORS {
                self.log.complain("bounds", format!("{memory} MiB and {descriptors} descriptors"));
            }
        }
        tokio::time::timeout(ENDS, self.load.over()).await.context("workers or readers did not end")??;
        oracle::judge(&http, &self.log).await?;
        let mut launches = Vec::new();
        for (launch, server) in self.servers {
            server.terminate()?;
            launches.push(launch);
        }
        doctor(&self.log, launches.first().context("no server was running")?)?;
        Ok(self.log.read(|records| (records.tally(), records.complaints.clone())))
    }
}

/// Lets `raincheck doctor` look through the data of a server that has ended.
pub fn doctor(log: &Log, launch: &Launch) -> Result<()> {
    let said = Command::new(built("raincheck")?).arg("doctor").args(launch.store()).env_clear().output()?;
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
