//! Three nodes over one PostgreSQL behind HAProxy: a thousand watchers, each of a job of its own, leased at one node and
//! finished at another. Everybody hears everything, in order, and soon.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pgcluster::{Cluster, Settings};
use reqwest::{Client, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::campaign::{Order, rounds};
use crate::log::Log;
use crate::round::{doctor, verdict};
use crate::scratch::Scratch;
use crate::server::{Launch, Server};
use crate::tally::Tally;
use crate::wire::{Event, Job, Leases};

const NODES: usize = 3;
/// Watchers of a loop, and jobs.
const WATCHERS: usize = 1_000;
/// Streams opened at once.
const HERD: usize = 100;
/// Between the ends of two jobs.
const PACE: Duration = Duration::from_millis(10);
/// All are told within this.
const TOLD: Duration = Duration::from_secs(60);

/// One loop is a thousand watchers, all held at the same time.
pub fn run(order: &Order) -> Result<Tally> {
    let cluster = Cluster::start(Settings { fsync: true, ..Settings::default() })?;
    rounds(order, 1, async |_, _| round(order, &cluster).await)
}

async fn round(order: &Order, cluster: &Cluster) -> Result<Tally> {
    let (database, scratch) = (cluster.database()?, Scratch::new(order.name)?);
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        let launch = Launch::new(scratch.path())?.on(&database.url());
        nodes.push((launch.start()?, launch));
    }
    let proxy = Proxy::start(&scratch, nodes.iter().map(|(server, _)| server))?;
    // A connection of its own for each, as of as many users.
    let http = Client::builder().no_proxy().pool_max_idle_per_host(0).build()?;

    let (mut watchers, (opened, mut open)) = (JoinSet::new(), unbounded_channel());
    for number in 0..WATCHERS {
        if number >= HERD {
            open.recv().await.context("a stream did not open")?;
        }
        let job: Job = post(&http, &format!("{}/jobs", proxy.url), &json!({"kind": "watched"})).await?;
        watchers.spawn(watch(http.clone(), proxy.url.clone(), job.id, opened.clone()));
    }
    for _ in 0..HERD {
        open.recv().await.context("a stream did not open")?;
    }
    let ended = finish_all(&http, &nodes).await?;
    let notified =
        tokio::time::timeout(TOLD, watchers.join_all()).await.context("not every watcher was told in time")?;

    let (log, mut waits) = (Log::default(), Vec::new());
    for notified in notified {
        match notified {
            Ok((job, at)) => waits.push(at.saturating_duration_since(*ended.get(&job).context("an unknown job")?)),
            Err(error) => log.complain("watcher", format!("{error:#}")),
        }
    }
    drop(proxy);
    let (servers, launches): (Vec<Server>, Vec<Launch>) = nodes.into_iter().unzip();
    servers.into_iter().try_for_each(Server::terminate)?;
    doctor(&log, &launches[0])?;
    waits.sort_unstable();
    let part = |share: f64| waits.get((waits.len() as f64 * share) as usize).map_or(0.0, |it| it.as_secs_f64() * 1e3);
    let note = format!(
        "{} watchers told of the end: p50 {:.1} ms, p99 {:.1} ms, last {:.1} ms after it was sent",
        waits.len(),
        part(0.5),
        part(0.99),
        waits.last().map_or(0.0, |it| it.as_secs_f64() * 1e3)
    );
    let jobs = WATCHERS as u64;
    let tally = Tally { submits: jobs, ends: jobs, notes: vec![note], ..Tally::default() };
    verdict(scratch.path(), tally, &log.read(|records| records.complaints.clone()))
}

/// Leases all jobs, in turns at each node, and finishes them one by one, each at the next node; when that was sent.
async fn finish_all(http: &Client, nodes: &[(Server, Launch)]) -> Result<HashMap<Uuid, Instant>> {
    let node = |number: usize| nodes[number % NODES].0.url.as_str();
    let (mut leased, mut turn) = (Vec::new(), 0);
    while leased.len() < WATCHERS {
        let ask = json!({"worker": {"name": "w"}, "kinds": ["watched"], "max": 50, "wait": "5s"});
        let found: Leases = post(http, &format!("{}/leases", node(turn)), &ask).await?;
        leased.extend(found.leases.into_iter().map(|one| (turn, one)));
        turn += 1;
    }
    let (mut ended, mut pace, mut ends) = (HashMap::new(), tokio::time::interval(PACE), JoinSet::new());
    for (turn, one) in leased {
        pace.tick().await;
        ended.insert(one.job.id, Instant::now());
        let (http, url) = (http.clone(), format!("{}/leases/{}/complete", node(turn + 1), one.lease));
        ends.spawn(async move { post::<Job>(&http, &url, &json!({"ok": true})).await });
    }
    while let Some(end) = ends.join_next().await {
        end??;
    }
    Ok(ended)
}

/// Follows a job from its first event to its last; when that came.
async fn watch(http: Client, proxy: String, job: Uuid, opened: UnboundedSender<()>) -> Result<(Uuid, Instant)> {
    let ask = http.get(format!("{proxy}/jobs/{job}/events?after=0")).header("accept", "text/event-stream");
    let (mut answer, mut text) = (ask.send().await?.error_for_status()?, String::new());
    while let Some(piece) = answer.chunk().await? {
        if text.is_empty() {
            // Whoever does not listen any more has failed already.
            let _ = opened.send(());
        }
        text.push_str(&String::from_utf8_lossy(&piece));
        if text.contains("\"succeeded\"") && text.ends_with("\n\n") {
            break;
        }
    }
    let at = Instant::now();
    let events: Vec<Event> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| text.clone())?;
    ensure!(events.iter().map(|event| event.seq).eq(1..=3), "job {job} was told as: {text}");
    Ok((job, at))
}

async fn post<T: DeserializeOwned>(http: &Client, url: &str, body: &Value) -> Result<T> {
    let answer = http.post(url).header("content-type", "application/json").body(body.to_string()).send().await?;
    let answer = Response::error_for_status(answer)?;
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}

/// HAProxy in front of the nodes; killed when dropped.
struct Proxy {
    child: Child,
    url: String,
}

impl Proxy {
    fn start<'a>(scratch: &Scratch, nodes: impl Iterator<Item = &'a Server>) -> Result<Self> {
        let at: SocketAddr = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut settings = format!(
            "global\n    maxconn 4000\ndefaults\n    mode http\n    timeout connect 5s\n    timeout client 1h\n    \
             timeout server 1h\nfrontend all\n    bind {at}\n    default_backend nodes\nbackend nodes\n    \
             balance roundrobin\n"
        );
        for (number, node) in nodes.enumerate() {
            writeln!(settings, "    server node{number} {}", node.url.trim_start_matches("http://"))?;
        }
        let file = scratch.path().join("haproxy.cfg");
        std::fs::write(&file, settings)?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut proxy = Proxy { child: command.spawn().context("haproxy does not run")?, url: format!("http://{at}") };
        while TcpStream::connect(at).is_err() {
            ensure!(proxy.child.try_wait()?.is_none(), "haproxy ended; see {}", file.display());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Gone already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
