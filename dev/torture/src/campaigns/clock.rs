//! The wall clock jumps under load, a day on and an hour back: leases do not notice, nor does what waits for a time. At the
//! end it is set back once more, while the server is away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::sync::watch;

use crate::campaign::{Order, runtime};
use crate::content::Content;
use crate::http::Http;
use crate::load::Mix;
use crate::log::{End, EndFate, Fate, LeaseRecord, Submit};
use crate::queues::PROBE;
use crate::round::Round;
use crate::server::Launch;
use crate::tally::Tally;
use crate::wire::{Job, Leases, State};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
/// How long the clock has been wrong when the lease is used.
const SINCE: Duration = Duration::from_millis(300);

/// One loop is one jump.
pub fn run(order: &Order) -> Result<Tally> {
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let mix = Mix { submitters: 2, workers: 2, ..Mix::default() };
    let mut round = Round::new(order.name, order.seed, mix)?;
    let clock = Clock::new(round.folder())?;
    // What the jumps make old is to be there when all is judged.
    let settings = "[defaults]\nretention = { succeeded = \"3650d\", failed = \"3650d\" }\n";
    std::fs::write(round.folder().join("raincheck.toml"), settings)?;
    let launch = Launch::new(round.folder())?
        .env("LD_PRELOAD", library()?)
        .env("FAKETIME_TIMESTAMP_FILE", &clock.file)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    round.start(&launch).await?;
    let (_place, here) = watch::channel(vec![round.server()?.url.as_str().into()]);
    let http = Http::new(here, round.log.clone())?;
    let mut offset = 0;
    for number in 0..order.loops {
        offset += if number % 2 == 0 { DAY } else { -HOUR };
        across(&http, &round, number, || clock.set(offset)).await?;
        delayed(&http, &format!("after jump {number}")).await?;
    }
    // What was put off is due when it was said to be, also if the next start finds the clock an hour back.
    clock.set(offset - HOUR)?;
    round.restart()?;
    delayed(&http, "after the restart").await?;
    let tally = round.judge().await?;
    let note = format!("{} leases held across a jump were still good", order.loops);
    Ok(Tally { loops: order.loops.into(), faults: order.loops.into(), notes: vec![note], ..tally })
}

/// Leases a job, jumps, and completes it: well within its lease, whatever the wall clock says.
async fn across(http: &Http, round: &Round, number: u32, jump: impl FnOnce() -> Result<()>) -> Result<()> {
    let (log, input) = (&round.log, Content::Json(1));
    let submit = Submit { input, kind: "steady", queue: "default", key: None, chosen: None, fate: Fate::Unknown };
    let label = log.plan(submit);
    let input: serde_json::Value = serde_json::from_slice(&input.bytes(label as u64))?;
    let submit = json!({"kind": "steady", "label": label.to_string(), "input": input});
    let job: Job = http.post("/jobs", &submit).await.ok().context("broken")?.json()?;
    log.acknowledged(label, job.id);
    let ask = json!({"worker": {"name": "steady"}, "kinds": ["steady"], "max": 1, "wait": "10s", "ttl": "5s"});
    let leases: Leases = http.post("/leases", &ask).await.ok().context("broken")?.json()?;
    let leased = leases.leases.first().context("a job was queued and not leased")?;
    jump()?;
    tokio::time::sleep(SINCE).await;
    let beat = http.post(&format!("/leases/{}/heartbeat", leased.lease), &json!({})).await.ok().context("broken")?;
    ensure!(beat.status == 200, "jump {number}: a heartbeat was answered {} {}", beat.status, beat.text());
    let end = End::Complete(Content::Json(2), number.into());
    let (run, result) = ((job.id, leased.attempt), Content::Json(2).bytes(number.into()));
    let path = format!("/leases/{}/complete", leased.lease);
    let done = http.send(reqwest::Method::POST, &path, "application/json", result).await.ok().context("broken")?;
    ensure!(done.status == 200, "jump {number}: a completion was answered {} {}", done.status, done.text());
    let end = Some((end, EndFate::Taken(State::Succeeded)));
    let record = LeaseRecord { lease: leased.lease.clone(), request: format!("steady {number}"), end };
    log.write(|records| records.leases.insert(run, record));
    Ok(())
}

/// A job that is to wait for a second is there to be leased soon after.
async fn delayed(http: &Http, when: &str) -> Result<()> {
    let submit = json!({"kind": PROBE, "queue": PROBE, "delay": "1s"});
    let job: Job = http.post("/jobs", &submit).await.ok().context("broken")?.json()?;
    let ask = json!({"worker": {"name": "prober"}, "kinds": [PROBE], "max": 1, "wait": "20s", "ttl": "5s"});
    let leases: Leases = http.post("/leases", &ask).await.ok().context("broken")?.json()?;
    let leased = leases.leases.first().with_context(|| format!("{when} a delay of a second did not end in twenty"))?;
    ensure!(leased.job.id == job.id, "{when} another job came than the one that waited");
    let path = format!("/leases/{}/complete", leased.lease);
    let done = http.post(&path, &json!(1)).await.ok().context("broken")?;
    ensure!(done.status == 200, "{when} a completion was answered {} {}", done.status, done.text());
    Ok(())
}

/// The server's wall clock.
struct Clock {
    file: PathBuf,
}

impl Clock {
    fn new(folder: &Path) -> Result<Self> {
        let clock = Self { file: folder.join("clock") };
        clock.set(0)?;
        Ok(clock)
    }

    /// So many seconds ahead.
    fn set(&self, offset: i64) -> Result<()> {
        // By rename: it is read at any moment.
        let next = self.file.with_extension("next");
        std::fs::write(&next, format!("{offset:+}\n"))?;
        Ok(std::fs::rename(&next, &self.file)?)
    }
}

fn library() -> Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.chain(std::fs::read_dir("/usr/local/lib")?);
    let mut found = folders.flatten().map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    let plain = Path::new("/usr/lib/faketime/libfaketimeMT.so.1").to_owned();
    found.find(|path| path.exists()).or_else(|| plain.exists().then_some(plain)).context("libfaketime is not installed")
}
