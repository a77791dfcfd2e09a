//! Workers that cannot run anything for a while, beside a healthy one: a full disk, a scratch folder that is gone, no more
//! processes, a program that is not there or is being written. They fail no job, the healthy one goes on, and they do so
//! by themselves once they are mended.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Resource, getrlimit};
use serde::Deserialize;
use serde_json::json;

use crate::campaign::{Order, runtime};
use crate::scratch::built;
use crate::tally::Tally;
use crate::test_server::{TestServer, until};
use crate::wire::{Event, Job, State, What};

/// The kind that all of them serve; each serves one of its own besides, by its name.
const SHARED: &str = "shared";
/// Jobs of that kind in a loop.
const JOBS: usize = 60;
/// Every job has ended so long after the last fault; the longest pause is part of it.
const ENDS: Duration = Duration::from_secs(90);
/// A broken worker says so.
const SAID: Duration = Duration::from_secs(20);
/// What it says.
const TROUBLE: &str = "this worker cannot run jobs";
/// Limits of processes do not hold for root, so one worker is somebody who has no others.
const SOMEBODY: u32 = 64_202;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Nothing,
    DiskFull,
    ScratchGone,
    NoProcesses,
    ProgramGone,
    ProgramBusy,
}

const FAULTS: [Fault; 6] =
    [Fault::Nothing, Fault::DiskFull, Fault::ScratchGone, Fault::NoProcesses, Fault::ProgramGone, Fault::ProgramBusy];

/// A worker process, which is killed when this is dropped, and what it stands on.
struct Worker {
    fault: Fault,
    name: String,
    folder: PathBuf,
    child: Child,
    mounted: bool,
    /// The program, while it is being written.
    writing: Option<File>,
}

/// One loop is one time that all are broken and mended.
pub fn run(order: &Order) -> Result<Tally> {
    ensure!(rustix::process::geteuid().is_root(), "broken-worker mounts a tmpfs and needs root for it: run it as root");
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let test = TestServer::new(order.name, "")?;
    // Somebody else must be able to reach it.
    let place = std::env::temp_dir().join(format!("raincheck-{}-{}", order.name, std::process::id()));
    fs::create_dir_all(&place)?;
    let done = loops(order, &test, &place).await;
    let removed = fs::remove_dir_all(&place).with_context(|| format!("cannot remove {}", place.display()));
    let (jobs, reports) = done?;
    removed?;
    let (loops, ends) = (u64::from(order.loops), jobs as u64);
    let faults = loops * (FAULTS.len() as u64 - 1);
    let note = format!("workers said {reports} times that they cannot run jobs");
    test.close(Tally { loops, faults, submits: ends, ends, notes: vec![note], ..Tally::default() })
}

/// The number of jobs, and of times that a worker said that it was broken.
async fn loops(order: &Order, test: &TestServer, place: &Path) -> Result<(usize, usize)> {
    fs::set_permissions(place, fs::Permissions::from_mode(0o755))?;
    fs::copy(built("raincheck")?, place.join("raincheck"))?;
    let url = test.server()?.url.clone();
    let mut workers = FAULTS.map(|fault| Worker::start(fault, place, &url)).into_iter().collect::<Result<Vec<_>>>()?;
    let mut rng = StdRng::seed_from_u64(order.seed);
    let mut all = Vec::new();
    for _ in 0..order.loops {
        let mut own = Vec::new();
        for worker in &workers {
            own.push(submit(test, &worker.name).await?);
        }
        ended(test, &own).await.context("while all are well")?;
        let said = workers.iter().map(Worker::said).collect::<Result<Vec<_>>>()?;
        // Some break while they run something.
        let mut shared = jobs(test, SHARED, JOBS / 2).await?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..200))).await;
        workers.iter_mut().try_for_each(Worker::hurt)?;
        shared.extend(jobs(test, SHARED, JOBS / 2).await?);
        let mut waiting = Vec::new();
        for worker in &workers {
            waiting.push(submit(test, &worker.name).await?);
        }
        let silent = || -> Result<Vec<Fault>> {
            let broken = workers.iter().zip(&said).filter(|(worker, _)| worker.fault != Fault::Nothing);
            let silent = broken.map(|(worker, before)| Ok((worker.said()? == *before).then_some(worker.fault)));
            silent.filter_map(Result::transpose).collect()
        };
        if until("all say that they cannot run jobs", SAID, async || Ok(silent()?.is_empty())).await.is_err() {
            test.log.complain("silent", format!("{:?}", silent()?));
        }
        // The healthy one does all of the work meanwhile.
        ended(test, &shared).await.context("while some are broken")?;
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..500))).await;
        workers.iter_mut().try_for_each(Worker::mend)?;
        ended(test, &waiting).await.context("after all were mended")?;
        all.extend(own.into_iter().chain(shared).chain(waiting));
    }
    for id in &all {
        judge(test, id).await?;
    }
    let reports = workers.iter().map(Worker::said).sum::<Result<usize>>()?;
    Ok((all.len(), reports))
}

/// The events of one job.
#[derive(Deserialize)]
struct OwnEvents {
    items: Vec<Event>,
}

/// It succeeded, its end is its last event and the only one, and nothing was held against it.
async fn judge(test: &TestServer, id: &str) -> Result<()> {
    let job: Job = test.http.fetch(&format!("/jobs/{id}?on_failure=200")).await?;
    let events: OwnEvents = test.http.fetch(&format!("/jobs/{id}/events?after=0")).await?;
    let ends = events.items.iter().filter(|event| event.state.is_final()).count();
    let last = events.items.last().is_some_and(|event| event.what == What::Succeeded);
    if job.state != State::Succeeded || ends != 1 || !last {
        test.log.complain("end", format!("{id} is {:?} with {ends} ends", job.state));
    }
    for event in events.items.iter().filter(|event| matches!(event.what, What::Retrying | What::Failed | What::Lost)) {
        let problem = event.data.problem.as_ref().map(|problem| problem.kind.clone()).unwrap_or_default();
        test.log.complain(
            "counted",
            format!("{id} of {}: {:?} {problem} in attempt {}", job.kind, event.what, event.attempt),
        );
    }
    Ok(())
}

async fn jobs(test: &TestServer, kind: &str, count: usize) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(submit(test, kind).await?);
    }
    Ok(ids)
}

async fn submit(test: &TestServer, kind: &str) -> Result<String> {
    let answer =
        test.http.post("/jobs", &json!({"kind": kind, "input": 1})).await.ok().context("the connection broke")?;
    Ok(answer.json::<Job>()?.id.to_string())
}

async fn ended(test: &TestServer, ids: &[String]) -> Result<()> {
    for id in ids {
        let path = format!("/jobs/{id}?on_failure=200");
        let what = format!("job {id} ends");
        until(&what, ENDS, async || {
            let answer = test.http.get(&path).await.ok().context("the connection broke")?;
            Ok(answer.json::<Job>()?.state.is_final())
        })
        .await?;
    }
    Ok(())
}

impl Worker {
    fn start(fault: Fault, place: &Path, url: &str) -> Result<Self> {
        let name = format!("{fault:?}").to_lowercase();
        let folder = place.join(&name);
        let scratch = folder.join("scratch");
        fs::create_dir_all(&scratch)?;
        let mounted = fault == Fault::DiskFull;
        if mounted {
            let status =
                Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&scratch).status()?;
            ensure!(status.success(), "cannot mount a tmpfs");
        }
        let log = File::create(folder.join("log"))?;
        install(&folder)?;
        let mut command = Command::new(place.join("raincheck"));
        command.args(["work", "--log-format", "json", "--concurrency", "2", "--server", url, "--name", &name]);
        command.args(["--kind", SHARED, "--kind", &name, "--"]).arg(folder.join("program"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TMPDIR", &scratch);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if fault == Fault::NoProcesses {
            chown(&scratch, Some(SOMEBODY), Some(SOMEBODY))?;
            command.current_dir("/").uid(SOMEBODY).gid(SOMEBODY);
        }
        let child = command.spawn()?;
        Ok(Self { fault, name, folder, child, mounted, writing: None })
    }

    fn scratch(&self) -> PathBuf {
        self.folder.join("scratch")
    }

    /// How often it said that it is broken.
    fn said(&self) -> Result<usize> {
        Ok(fs::read_to_string(self.folder.join("log"))?.matches(TROUBLE).count())
    }

    fn hurt(&mut self) -> Result<()> {
        let program = self.folder.join("program");
        match self.fault {
            Fault::Nothing => {}
            Fault::DiskFull => {
                let mut ballast = File::create(self.scratch().join("ballast"))?;
                let block = vec![0; 1 << 12];
                let error = loop {
                    if let Err(error) = ballast.write_all(&block) {
                        break error;
                    }
                };
                ensure!(error.kind() == std::io::ErrorKind::StorageFull, error);
            }
            Fault::ScratchGone => remove(&self.scratch())?,
            Fault::NoProcesses => self.processes(Some(0))?,
            Fault::ProgramGone => fs::remove_file(program)?,
            // Nobody may run what somebody writes.
            Fault::ProgramBusy => {
                self.writing = Some(until_written(&program)?);
            }
        }
        Ok(())
    }

    fn mend(&mut self) -> Result<()> {
        match self.fault {
            Fault::Nothing => Ok(()),
            Fault::DiskFull => Ok(fs::remove_file(self.scratch().join("ballast"))?),
            Fault::ScratchGone => Ok(fs::create_dir(self.scratch())?),
            Fault::NoProcesses => self.processes(None),
            Fault::ProgramGone => install(&self.folder),
            Fault::ProgramBusy => {
                self.writing = None;
                Ok(())
            }
        }
    }

    /// How many processes it and those below it may have; without a limit, as many as the system allows.
    fn processes(&self, limit: Option<u64>) -> Result<()> {
        let limit = limit.or(getrlimit(Resource::Nproc).maximum);
        let soft = limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
        let worker = i32::try_from(self.child.id())?;
        for pid in std::iter::once(worker).chain(children(worker)) {
            // As whom it is: a system may keep even root from the limits of others.
            let mut command = Command::new("prlimit");
            command.args([format!("--pid={pid}"), format!("--nproc={soft}:")]).stderr(Stdio::null());
            let status = command.current_dir("/").uid(SOMEBODY).gid(SOMEBODY).status()?;
            let there = Path::new("/proc").join(pid.to_string()).exists();
            ensure!(status.success() || !there, "cannot limit the processes of {}", self.name);
        }
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Gone already is what is wanted; its supervisors end its programs.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.mounted {
            let _ = Command::new("umount").arg("--lazy").arg(self.scratch()).status();
        }
    }
}

/// A binary, as text is not busy while it is written.
fn install(folder: &Path) -> Result<()> {
    let new = folder.join("program.new");
    fs::copy("/bin/cat", &new)?;
    Ok(fs::rename(new, folder.join("program"))?)
}

/// Opens the program to write; one that runs is waited for.
fn until_written(program: &Path) -> Result<File> {
    let begin = std::time::Instant::now();
    loop {
        match File::options().append(true).open(program) {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy && begin.elapsed() < SAID => {}
            file => return Ok(file?),
        }
    }
}

/// All of it, though the worker makes files in it meanwhile.
fn remove(folder: &Path) -> Result<()> {
    let begin = std::time::Instant::now();
    loop {
        match fs::remove_dir_all(folder) {
            Err(_) if folder.exists() && begin.elapsed() < SAID => {}
            removed => return Ok(removed?),
        }
    }
}

/// The processes below this one.
fn children(of: i32) -> Vec<i32> {
    let mut below = vec![of];
    let mut next = 0;
    let parents: Vec<(i32, i32)> = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(parent).collect();
    while let Some(&pid) = below.get(next) {
        below.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| *child));
        next += 1;
    }
    below.split_off(1)
}

fn parent(entry: fs::DirEntry) -> Option<(i32, i32)> {
    let pid = entry.file_name().to_str()?.parse().ok()?;
    let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
    let (_, after) = stat.rsplit_once(") ")?;
    Some((pid, after.split_whitespace().nth(1)?.parse().ok()?))
}
