//! A disk that fills and is freed: a small tmpfs. While space is low, submits are refused with the problem that is
//! documented for it, and everything else is served from the reserve; without any space the server may refuse whatever
//! writes. Once there is space again it takes jobs by itself, without a restart, and nothing was lost.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;

use crate::campaign::{Order, rounds};
use crate::http::Http;
use crate::load::Mix;
use crate::queues::PROBE;
use crate::round::{Round, verdict};
use crate::server::Launch;
use crate::tally::Tally;
use crate::wire::{Job, Leases, State};

/// Of the disk, MiB.
const SIZE: u64 = 256;
/// Left when it is low: less than the reserve of 64 MiB, enough to serve from.
const LOW: u64 = 40;
/// Until the server notices that space is low or free; it looks once a second.
const NOTICED: Duration = Duration::from_secs(5);

/// Fills and frees before everything is brought to its end and judged.
const FILLS: u32 = 5;

/// A file system in memory; gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path) -> Result<Self> {
        let size = format!("size={SIZE}m");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).status()?;
        ensure!(status.success(), "disk-full mounts a tmpfs, which needs root: run it as root");
        Ok(Self(folder.to_owned()))
    }

    /// Leaves so many bytes free.
    fn fill(&self, leave: u64) -> Result<()> {
        let stat = rustix::fs::statvfs(&self.0)?;
        let free = stat.f_bavail * stat.f_frsize;
        let mut ballast = File::options().create(true).append(true).open(self.ballast())?;
        let block = vec![0; 1 << 16];
        for _ in 0..free.saturating_sub(leave) / block.len() as u64 {
            if let Err(error) = ballast.write_all(&block) {
                ensure!(error.kind() == std::io::ErrorKind::StorageFull, error);
                break;
            }
        }
        Ok(())
    }

    fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whatever the server still holds ends with it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Runs rounds of [`FILLS`].
pub fn run(order: &Order) -> Result<Tally> {
    rounds(order, FILLS, async |seed, fills| {
        // Large inputs would fill it by themselves.
        let mut round = Round::new(order.name, seed, Mix { files: 0, submitters: 4, ..Mix::default() })?;
        let launch = Launch::new(round.folder())?;
        let disk = Disk::mount(&launch.disk())?;
        round.start(&launch).await?;
        let http = round.client()?;
        for fill in 0..fills {
            tokio::time::sleep(Duration::from_millis(200)).await;
            low(&http, &disk).await.with_context(|| format!("fill {fill}"))?;
            disk.fill(0)?;
            tokio::time::sleep(Duration::from_millis(300)).await;
            disk.free()?;
            until(&http, "a submit is taken again", 202, "").await?;
            round.log.write(|records| records.faults += 1);
        }
        let server = round.server()?;
        ensure!(server.exited(Duration::ZERO)?.is_none(), "the server ended; it must recover by itself");
        while serve(&http).await? > 0 {}
        let folder = round.folder().to_owned();
        let (tally, complaints) = round.judge_all().await?;
        if complaints.is_empty() {
            drop(disk);
        } else {
            // What is on it is wanted.
            std::mem::forget(disk);
        }
        verdict(&folder, tally, &complaints)
    })
}

/// Takes most of the space: submits are refused as documented, a job that is there is still worked on to its end.
async fn low(http: &Http, disk: &Disk) -> Result<()> {
    let early: Job = post(http, "/jobs", &json!({"kind": PROBE, "queue": PROBE}), 202).await?;
    disk.fill(LOW << 20)?;
    until(http, "a submit is refused", 503, "queue-full").await?;
    ensure!(serve(http).await? > 0, "no job is handed out");
    let answer = http.get(&format!("/jobs/{}", early.id)).await.map_err(|_| anyhow::anyhow!("a look broke"))?;
    ensure!(answer.status == 200, "the job has not succeeded: {}", answer.text());
    Ok(())
}

/// Works on the probes that wait; answers how many.
async fn serve(http: &Http) -> Result<usize> {
    let ask = json!({"worker": {"name": "prober"}, "kinds": [PROBE], "max": 500});
    let answer = http.post("/leases", &ask).await.map_err(|_| anyhow::anyhow!("a lease broke"))?;
    if answer.status == 204 {
        return Ok(0);
    }
    let leased = answer.json::<Leases>()?.leases;
    for one in &leased {
        let _: serde_json::Value = post(http, &format!("/leases/{}/heartbeat", one.lease), &json!({}), 200).await?;
        let done: Job = post(http, &format!("/leases/{}/complete", one.lease), &json!({"ok": true}), 200).await?;
        ensure!(done.state == State::Succeeded, "its end was not recorded: {done:?}");
    }
    Ok(leased.len())
}

async fn post<T: serde::de::DeserializeOwned>(
    http: &Http,
    path: &str,
    body: &serde_json::Value,
    status: u16,
) -> Result<T> {
    let answer = http.post(path, body).await.map_err(|_| anyhow::anyhow!("{path}: the connection broke"))?;
    ensure!(answer.status == status, "{path} was answered {}: {}", answer.status, answer.text());
    answer.json()
}

/// Submits until the answer is this one.
async fn until(http: &Http, what: &str, status: u16, slug: &str) -> Result<()> {
    let begin = Instant::now();
    loop {
        let answer = http.post("/jobs", &json!({"kind": PROBE, "queue": PROBE})).await;
        let answer = answer.map_err(|_| anyhow::anyhow!("a submit broke"))?;
        match (answer.status, answer.slug()) {
            (is, actual) if is == status && actual == slug => return Ok(()),
            (202 | 503, _) if begin.elapsed() < NOTICED => tokio::time::sleep(Duration::from_millis(50)).await,
            (is, _) => bail!("not within {NOTICED:?}: {what}; answered {is}: {}", answer.text()),
        }
    }
}
