//! Folders that are not the server's, or not whole: another store's payloads, somebody's photos, a database that is gone,
//! data that is taken away while it is served. No file that is not the server's is touched, and every payload that was
//! acknowledged is there afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::campaign::{Order, runtime};
use crate::content::Content;
use crate::http::{Answer, Broken};
use crate::scratch::built;
use crate::server::Launch;
use crate::tally::Tally;
use crate::test_server::{TestServer, until};
use crate::wire::{Job, Leases};

/// Within this time a server sees that its data was taken away; it looks once a second.
const NOTICED: Duration = Duration::from_secs(10);

/// What is wrong with a folder, one in each loop.
const FAULTS: [Fault; 8] = [
    Fault::SecondBeside,
    Fault::OthersPayloads,
    Fault::Photos,
    Fault::NoDatabase,
    Fault::LogDeleted,
    Fault::MovedAway,
    Fault::Orphan,
    Fault::Restored,
];

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// A second database in the same folder.
    SecondBeside,
    /// A second store that is given the first one's payloads.
    OthersPayloads,
    /// A folder of somebody's own files.
    Photos,
    /// The database is missing beside its log and payloads.
    NoDatabase,
    /// The write-ahead log is deleted under the server.
    LogDeleted,
    /// The folder is moved away under the server, and an empty one may be in its place.
    MovedAway,
    /// A payload that no job refers to.
    Orphan,
    /// A backup is served somewhere else.
    Restored,
}

/// A job whose input and result are files, known by a number.
struct Kept {
    id: Uuid,
    number: u64,
    length: usize,
}

/// Every file below a folder that is none of the server's, with what is in it.
type Strangers = BTreeMap<PathBuf, Vec<u8>>;

/// One loop is one fault in a folder of its own.
pub fn run(order: &Order) -> Result<Tally> {
    let runtime = runtime()?;
    let mut tally = Tally::default();
    for number in 0..order.loops {
        let seed = order.seed.wrapping_add(number.into());
        let fault = FAULTS[(seed % FAULTS.len() as u64) as usize];
        tally += runtime.block_on(one(order.name, seed, fault)).with_context(|| format!("{fault:?}, --seed {seed}"))?;
    }
    Ok(tally)
}

async fn one(name: &str, seed: u64, fault: Fault) -> Result<Tally> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut test = TestServer::new(name, "")?;
    let mut kept = Vec::new();
    for _ in 0..rng.random_range(2..5) {
        kept.push(keep(&test, &mut rng).await?);
    }
    let strangers = plant(&test.data().join("blobs"), &mut rng)?;
    hurt(&mut test, fault, &mut kept, &mut rng).await?;
    // Every start looks at what lies there.
    test.kill()?;
    test.start()?;
    let mut tally = Tally { loops: 1, faults: 1, submits: kept.len() as u64, ..Tally::default() };
    for job in &kept {
        if !is_there(&test, job).await? {
            tally.lost += 1;
            test.log.complain("lost", format!("the payload of {} ({fault:?})", job.id));
        }
    }
    judge(&test, &strangers);
    tally.ends = kept.len() as u64;
    test.close(tally)
}

async fn hurt(test: &mut TestServer, fault: Fault, kept: &mut Vec<Kept>, rng: &mut StdRng) -> Result<()> {
    let (data, folder) = (test.data(), test.folder().to_owned());
    let (database, blobs) = (data.join("raincheck.db"), data.join("blobs"));
    match fault {
        Fault::SecondBeside => {
            let second = launch(&folder, &format!("sqlite:{}", data.join("second.db").display()), None)?;
            refused(test, &second, "a second database in the folder of a running one")?;
            test.kill()?;
            refused(test, &second, "a second database in the folder of a stopped one")?;
            test.start()
        }
        Fault::OthersPayloads => {
            let own = format!("sqlite:{}", folder.join("other/raincheck.db").display());
            let alone = launch(&folder, &own, None)?;
            alone.start()?.terminate()?;
            let second = launch(&folder, &own, Some(&blobs))?;
            refused(test, &second, "the payloads of a running store")?;
            test.kill()?;
            refused(test, &second, "the payloads of a stopped store")?;
            test.start()
        }
        Fault::Photos => {
            let photos = folder.join("photos");
            let before = photograph(&photos, rng)?;
            let own = format!("sqlite:{}", folder.join("other/raincheck.db").display());
            if rng.random() {
                launch(&folder, &own, None)?.start()?.terminate()?;
            }
            refused(test, &launch(&folder, &own, Some(&photos))?, "a folder of photos")?;
            judge(test, &before);
            Ok(())
        }
        Fault::NoDatabase => {
            if rng.random() { test.kill() } else { test.terminate() }?;
            let (away, before) = (folder.join("away.db"), files(&blobs)?);
            fs::rename(&database, &away)?;
            let started = test.try_start()?;
            complain_if(test, started, "a folder without its database");
            judge(test, &before);
            if started {
                test.kill()?;
            }
            fs::rename(&away, &database)?;
            test.start()
        }
        Fault::LogDeleted => {
            fs::remove_file(data.join("raincheck.db-wal"))?;
            until_noticed(test, kept, rng).await?;
            test.terminate()?;
            test.start()
        }
        Fault::MovedAway => {
            let away = folder.join("away");
            fs::rename(&data, &away)?;
            if rng.random() {
                fs::create_dir(&data)?;
            }
            until_noticed(test, kept, rng).await?;
            test.kill()?;
            if data.exists() {
                fs::remove_dir_all(&data)?;
            }
            fs::rename(&away, &data)?;
            test.start()
        }
        Fault::Orphan => {
            test.kill()?;
            let name = format!("{:032x}", rng.random::<u128>());
            let bytes = Content::Raw(1_000).bytes(1);
            fs::write(blobs.join(&name[..2]).join(&name), &bytes)?;
            test.start()?;
            let aside = fs::read(blobs.join("orphans").join(&name)).ok();
            if aside != Some(bytes) || blobs.join(&name[..2]).join(&name).exists() {
                test.log.complain("orphan", format!("{name} was not moved aside"));
            }
            Ok(())
        }
        Fault::Restored => {
            let copy = folder.join("copy");
            let mut backup = Command::new(built("raincheck")?);
            let done = backup.arg("backup").arg(&copy).arg("--data").arg(&data).env_clear().output()?;
            ensure!(done.status.success(), "backup: {}", String::from_utf8_lossy(&done.stderr));
            test.kill()?;
            // The copy takes the place of what it was made of.
            fs::rename(&data, folder.join("old"))?;
            let planted = files(&folder.join("old/blobs"))?;
            fs::rename(&copy, &data)?;
            for (path, bytes) in planted {
                let target = blobs.join(path.strip_prefix(folder.join("old/blobs"))?);
                fs::create_dir_all(target.parent().unwrap_or(&blobs))?;
                if !target.exists() {
                    fs::write(target, bytes)?;
                }
            }
            test.start()
        }
    }
}

/// A job with its input and its result as files.
async fn keep(test: &TestServer, rng: &mut StdRng) -> Result<Kept> {
    let (number, length) = (rng.random(), rng.random_range(70_000..200_000));
    let content = Content::Raw(length);
    let post = async |path: &str, bytes: Vec<u8>| {
        answered(test.http.send(Method::POST, path, content.media_type(), bytes).await)
    };
    let job: Job = post("/kinds/k/jobs", content.bytes(number)).await?.json()?;
    let ask = json!({"worker": {"name": "w"}, "kinds": ["k"], "max": 1});
    let leases: Leases = answered(test.http.post("/leases", &ask).await)?.json()?;
    let lease = &leases.leases.first().context("the job is not handed out")?.lease;
    post(&format!("/leases/{lease}/complete"), content.bytes(number)).await?;
    Ok(Kept { id: job.id, number, length })
}

fn answered(answer: Result<Answer, Broken>) -> Result<Answer> {
    let answer = answer.map_err(|Broken| anyhow::anyhow!("the connection broke"))?;
    ensure!(answer.is_success(), "{} {}", answer.status, answer.text());
    Ok(answer)
}

async fn is_there(test: &TestServer, job: &Kept) -> Result<bool> {
    if job.length == 0 {
        // Submitted only; its handle must answer.
        return Ok(test.http.get(&format!("/jobs/{}", job.id)).await.is_ok_and(|answer| answer.is_success()));
    }
    let answer = test.http.get(&format!("/jobs/{}/result", job.id)).await;
    let answer = answer.map_err(|Broken| anyhow::anyhow!("the connection broke"))?;
    Ok(answer.status == 200 && answer.body == Content::Raw(job.length).bytes(job.number))
}

/// Submits until that is refused, and readiness too. What was acknowledged until then counts.
async fn until_noticed(test: &TestServer, kept: &mut Vec<Kept>, rng: &mut StdRng) -> Result<()> {
    until("a submit is refused", NOTICED, async || {
        let body = json!({"kind": "late", "input": rng.random::<u32>()});
        let answer = test.http.post("/jobs", &body).await.map_err(|Broken| anyhow::anyhow!("the connection broke"))?;
        if answer.is_success() {
            kept.push(Kept { id: answer.json::<Job>()?.id, number: 0, length: 0 });
            return Ok(false);
        }
        ensure!(answer.status == 503, "{} {}", answer.status, answer.text());
        Ok(true)
    })
    .await?;
    for path in ["/readyz", "/jobs"] {
        let status = test.http.get(path).await.map_or(0, |answer| answer.status);
        if status != 503 {
            test.log.complain("gone", format!("{path} answers {status} without its data"));
        }
    }
    Ok(())
}

/// A server on another database, with its payloads beside that or in `blobs`.
fn launch(folder: &Path, store: &str, blobs: Option<&Path>) -> Result<Launch> {
    let launch = Launch::new(&folder.join("second"))?.stored(["--store", store]);
    Ok(match blobs {
        None => launch,
        Some(blobs) => {
            let settings = folder.join("second/blobs.toml");
            let (url, blobs) = (json!(store), json!(blobs));
            fs::write(&settings, format!("[store]\nurl = {url}\nblobs = {blobs}\n"))?;
            launch.stored([std::ffi::OsStr::new("--config"), settings.as_os_str()])
        }
    })
}

fn refused(test: &TestServer, launch: &Launch, what: &str) -> Result<()> {
    let started = launch.try_start()?;
    complain_if(test, started.is_some(), what);
    started.map_or(Ok(()), |server| server.kill())
}

fn complain_if(test: &TestServer, started: bool, what: &str) {
    if started {
        test.log.complain("taken", format!("a server took {what}"));
    }
}

/// Puts files among the payloads that no server made.
fn plant(blobs: &Path, rng: &mut StdRng) -> Result<Strangers> {
    let name = format!("{:032x}", rng.random::<u128>());
    // Any shard but its own.
    let shard = format!("{:02x}", u8::from_str_radix(&name[..2], 16)?.wrapping_add(rng.random_range(1..=255)));
    let own = &name[..2];
    let paths = [
        format!("{own}/notes.txt"),
        format!("{own}/{}", &name[..31]),
        format!("{own}/{name}.bak"),
        format!("{own}/{}", name.to_uppercase() + "X"),
        format!("{shard}/{name}"),
        format!("photos/{name}"),
        format!("tmp/{name}.part"),
        "orphans/notes.txt".to_owned(),
        "lost+found/#42".to_owned(),
        name.clone(),
    ];
    write_all(blobs, &paths, rng)
}

/// Somebody's folder, which looks a little like one of payloads.
fn photograph(photos: &Path, rng: &mut StdRng) -> Result<Strangers> {
    let name = format!("{:032x}", rng.random::<u128>());
    let paths =
        ["2026/a.jpg".to_owned(), format!("{}/{name}", &name[..2]), format!("tmp/{name}"), format!("orphans/{name}")];
    let some = rng.random_range(1..=paths.len());
    write_all(photos, &paths[..some], rng)
}

fn write_all(folder: &Path, paths: &[String], rng: &mut StdRng) -> Result<Strangers> {
    let mut all = Strangers::new();
    for path in paths {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        let bytes = Content::Raw(rng.random_range(1..5_000)).bytes(rng.random());
        fs::write(&path, &bytes)?;
        all.insert(path, bytes);
    }
    Ok(all)
}

/// Says which of these were touched.
fn judge(test: &TestServer, strangers: &Strangers) {
    for (path, bytes) in strangers {
        if fs::read(path).ok().as_ref() != Some(bytes) {
            test.log.complain("touched", path.display().to_string());
        }
    }
}

fn files(folder: &Path) -> Result<Strangers> {
    let mut all = Strangers::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(files(&path)?);
        } else {
            all.insert(path.clone(), fs::read(&path)?);
        }
    }
    Ok(all)
}
