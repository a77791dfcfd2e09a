//! Workers stopped for longer than their leases, which wake up and hand in what they have, as if nothing had been.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use uuid::Uuid;

use crate::campaign::{Order, runtime};
use crate::content::Content;
use crate::load::Mix;
use crate::log::{End, EndFate, LeaseRecord, Log};
use crate::round::Round;
use crate::server::Launch;
use crate::tally::Tally;
use crate::wire::State;
use crate::zombie;

/// Worker processes at once.
const ZOMBIES: u32 = 20;
/// Longer than any worker waits for a job under load.
const SILENT: Duration = Duration::from_secs(30);

/// One loop is one worker stopped and woken.
pub fn run(order: &Order) -> Result<Tally> {
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let mix = Mix { submitters: 1, workers: 2, feed_readers: 1, job_readers: 1, ..Mix::default() };
    let mut round = Round::new(order.name, order.seed, mix)?;
    let launch = Launch::new(round.folder())?;
    round.start(&launch).await?;
    let url = round.server()?.url.clone();
    let mut zombies = tokio::task::JoinSet::new();
    for number in 0..ZOMBIES.min(order.loops) {
        let stops = order.loops / ZOMBIES + u32::from(number < order.loops % ZOMBIES);
        let rng = StdRng::seed_from_u64(order.seed ^ (u64::from(number) << 32));
        zombies.spawn(haunt(Zombie::start(&url, number, round.log.clone())?, stops, rng));
    }
    let mut refused = 0;
    for done in zombies.join_all().await {
        refused += done?;
    }
    let note = format!("{refused} of {} late ends were refused, the others came before the lease ran out", order.loops);
    let tally = round.judge().await?;
    if refused == 0 {
        bail!("no end came late: nothing was tried");
    }
    Ok(Tally { loops: order.loops.into(), faults: order.loops.into(), notes: vec![note], ..tally })
}

/// Stops a worker in the middle of a run and wakes it, again and again; how many of its ends were refused.
async fn haunt(mut zombie: Zombie, stops: u32, mut rng: StdRng) -> Result<u64> {
    let mut refused = 0;
    for _ in 0..stops {
        zombie.leased().await?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..50))).await;
        kill_process(zombie.pid, Signal::STOP)?;
        // Around the two seconds of its lease, or well over.
        tokio::time::sleep(Duration::from_millis(rng.random_range(1_700..4_000))).await;
        kill_process(zombie.pid, Signal::CONT)?;
        refused += u64::from(zombie.ended().await? == EndFate::Refused);
    }
    zombie.stop().await?;
    Ok(refused)
}

/// A worker in a process of its own, so that it can be stopped with all it does.
struct Zombie {
    child: Child,
    pid: Pid,
    number: u32,
    said: UnboundedReceiver<String>,
    log: Arc<Log>,
    run: Option<(Uuid, u32)>,
}

impl Zombie {
    fn start(url: &str, number: u32, log: Arc<Log>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([zombie::ARGUMENT, url, &format!("zombie {number}")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (sender, said) = unbounded_channel();
        let stdout = child.stdout.take().context("a piped stdout")?;
        std::thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        let pid = Pid::from_child(&child);
        Ok(Self { child, pid, number, said, log, run: None })
    }

    /// Waits until it has a job, and notes that.
    async fn leased(&mut self) -> Result<()> {
        let line = self.line("leased").await?;
        let [job, attempt, lease, result] = words(&line)?;
        let (run, request) = ((job.parse()?, attempt.parse()?), format!("zombie {}", self.number));
        let end = End::Complete(Content::Json(0), result.parse()?);
        let record = LeaseRecord { lease: lease.to_owned(), request, end: Some((end, EndFate::Unknown)) };
        if let Some(before) = self.log.write(|records| records.leases.insert(run, record)) {
            self.log.complain("doubled", format!("{run:?} was leased to {} and to a zombie", before.request));
        }
        self.run = Some(run);
        Ok(())
    }

    /// Waits until it has handed in its end, and notes what was said to that.
    async fn ended(&mut self) -> Result<EndFate> {
        let line = self.line("ended").await?;
        let fate = match line.as_str() {
            "200" => EndFate::Taken(State::Succeeded),
            "409 lease-lost" => EndFate::Refused,
            other => bail!("a late end was answered {other}"),
        };
        let run = self.run.take().context("it ended what it never leased")?;
        self.log.write(|records| {
            if let Some((_, known_fate)) = records.leases.get_mut(&run).and_then(|record| record.end.as_mut()) {
                *known_fate = fate;
            }
        });
        Ok(fate)
    }

    async fn line(&mut self, word: &str) -> Result<String> {
        let line = tokio::time::timeout(SILENT, self.said.recv()).await.context("a zombie says nothing")?;
        let line = line.context("a zombie is gone")?;
        let rest = line.strip_prefix(word).map(|rest| rest.trim_start().to_owned());
        rest.with_context(|| format!("a zombie said `{line}` instead of `{word}`"))
    }

    /// Lets it finish what it has begun since.
    async fn stop(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        while let Some(line) = self.said.recv().await {
            let Some(rest) = line.strip_prefix("leased ") else { continue };
            let [job, attempt, lease, result] = words(rest)?;
            let end = Some((End::Complete(Content::Json(0), result.parse()?), EndFate::Unknown));
            let record = LeaseRecord { lease: lease.to_owned(), request: format!("zombie {}", self.number), end };
            self.log.write(|records| {
                records
                    .leases
                    .insert((job.parse()?, attempt.parse()?), record)
                    .map_or(Ok(()), |_| bail!("leased twice"))
            })?;
        }
        self.child.wait()?;
        Ok(())
    }
}

fn words(line: &str) -> Result<[&str; 4]> {
    let words: Vec<&str> = line.split(' ').collect();
    words.try_into().map_err(|words| anyhow::anyhow!("a zombie said {words:?}"))
}
