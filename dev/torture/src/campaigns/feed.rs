//! Three readers of the feed at different places, while jobs are kept for a moment or purged at once and the feed is trimmed
//! right behind the last of them: one by a stream, one by pages and always late, and a named one, which the trimming waits for.
//! The server, or a node of two, is killed again and again. All three must have seen the same events, each job's from its
//! first to its last; and then nothing of what is forgotten is left.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use pgcluster::{Cluster, Settings};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::header::{ETAG, HeaderMap};
use reqwest::{Client, Method, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::campaign::{Order, rounds};
use crate::http::{Broken, Http};
use crate::log::Log;
use crate::round::{doctor, verdict};
use crate::scratch::Scratch;
use crate::server::{Launch, Server};
use crate::tally::Tally;
use crate::test_server::until;
use crate::wire::{Job, Leases};

/// Kills before everything is brought to its end and judged; every other round has two nodes.
const KILLS: u32 = 5;
/// Events go as soon as they may: the named reader is what keeps them for the others.
const SETTINGS: &str = "[feed]\nkeep = \"1s\"\n[store]\ntombstone = \"1s\"\n";
const SUBMITTERS: u64 = 8;
/// Between two submits of one of them.
const PACE: Duration = Duration::from_millis(20);
/// Between two pages of the late reader: longer than jobs are kept.
const LATE: Duration = Duration::from_millis(1_500);
/// After the last kill everything has ended, is read and is removed within this time.
const GONE: Duration = Duration::from_secs(90);
/// What is submitted last, and canceled: when a reader has seen that, it has seen everything.
const LAST: &str = "last";

/// An event as it is read.
#[derive(Clone, Debug, Deserialize)]
struct Published {
    position: u64,
    job: Uuid,
    seq: u32,
    kind: String,
    #[serde(rename = "type")]
    what: String,
    /// Not there once the job is forgotten.
    data: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Published>,
    next_after: String,
}

#[derive(Deserialize)]
struct Reader {
    cursor: String,
}

/// What all actors know.
#[derive(Clone)]
struct Actor {
    http: Http,
    client: Client,
    log: Arc<Log>,
    /// Jobs that were acknowledged.
    made: Arc<Mutex<Vec<Uuid>>>,
    ended: Arc<AtomicU64>,
    /// How far the two readers are that nobody waits for.
    read: Arc<[AtomicU64; 2]>,
}

/// One loop is one kill.
pub fn run(order: &Order) -> Result<Tally> {
    let cluster = Cluster::start(Settings { fsync: true, ..Settings::default() })?;
    let number = AtomicU64::new(0);
    rounds(order, KILLS, async |seed, kills| {
        let database = (number.fetch_add(1, Ordering::Relaxed) % 2 == 1).then(|| cluster.database()).transpose()?;
        round(order, seed, kills, database.as_ref().map(|database| database.url()).as_deref()).await
    })
}

async fn round(order: &Order, seed: u64, kills: u32, database: Option<&str>) -> Result<Tally> {
    let mut rng = StdRng::seed_from_u64(seed);
    let scratch = Scratch::new(order.name)?;
    std::fs::write(scratch.path().join("raincheck.toml"), SETTINGS)?;
    let (place, here) = watch::channel(Vec::new());
    let log = Arc::new(Log::default());
    let mut servers: Vec<(Launch, Server)> = Vec::new();
    for _ in 0..database.map_or(1, |_| 2) {
        let launch = Launch::new(scratch.path())?;
        let launch = database.map_or_else(|| launch.clone(), |url| launch.clone().on(url));
        servers.push((launch.clone(), launch.start()?));
    }
    let tell = |servers: &[(Launch, Server)]| {
        place.send_replace(servers.iter().map(|(_, server)| server.url.as_str().into()).collect());
    };
    tell(&servers);
    let actor = Actor {
        http: Http::new(here, log.clone())?,
        client: Client::builder().no_proxy().build()?,
        log: log.clone(),
        made: Arc::default(),
        ended: Arc::default(),
        read: Arc::default(),
    };
    let made = actor.ask(Method::PUT, "/readers/named", &[("if-none-match", "*")], r#"{"cursor": "0"}"#).await;
    ensure!(made.is_ok_and(|made| made.status() == 201), "no reader was made");
    let mut readers = JoinSet::new();
    readers.spawn(actor.clone().stream());
    readers.spawn(actor.clone().pages());
    readers.spawn(actor.clone().named());
    let mut load = JoinSet::new();
    for number in 0..SUBMITTERS {
        load.spawn(actor.clone().submit(StdRng::seed_from_u64(seed ^ (number << 48))));
    }
    load.spawn(actor.clone().purge(StdRng::seed_from_u64(!seed)));
    let worker = tokio::spawn(actor.clone().work());

    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(rng.random_range(300..1_500))).await;
        let (launch, server) = servers.remove(0);
        server.kill()?;
        log.write(|records| records.faults += 1);
        tell(&servers);
        servers.push((launch.clone(), launch.start()?));
        tell(&servers);
    }
    load.shutdown().await;
    let seen = tokio::time::timeout(GONE, actor.finish(readers)).await.context("not everything was read in time")??;
    worker.abort();
    let gone = judge(&log, &actor.made.lock(), &seen);
    if gone == 0 {
        log.complain("campaign", "no event was read of a job that was forgotten before: this shows nothing".to_owned());
    }
    let left = until("nothing is left of what is forgotten", GONE, async || {
        let metrics = actor.http.get("/metrics").await.map_err(|Broken| anyhow::anyhow!("the connection broke"))?;
        let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
        let bytes = metrics.lines().find_map(|line| line.strip_prefix("raincheck_feed_forgotten_bytes "));
        Ok(bytes.context("no such metric")? == "0")
    })
    .await;
    if let Err(error) = left {
        log.complain("bounds", error.to_string());
    }
    let (launches, servers): (Vec<Launch>, Vec<Server>) = servers.into_iter().unzip();
    servers.into_iter().try_for_each(Server::terminate)?;
    doctor(&log, &launches[0])?;
    let (submits, ends) = (actor.made.lock().len() as u64, actor.ended.load(Ordering::Relaxed));
    let note = format!("{} events, {gone} of them read when their job was forgotten", seen[0].len());
    let tally = Tally { faults: kills.into(), submits, ends, notes: vec![note], ..Tally::default() };
    verdict(scratch.path(), tally, &log.read(|records| records.complaints.clone()))
}

/// What three readers have seen must be the same, and all of it; answers how many events one of them saw too late to be told
/// what they held.
fn judge(log: &Log, made: &[Uuid], seen: &[Vec<Published>]) -> usize {
    let places =
        |seen: &[Published]| seen.iter().map(|event| (event.position, event.job, event.seq)).collect::<Vec<_>>();
    let first = places(&seen[0]);
    for (number, other) in seen.iter().enumerate() {
        let other = places(other);
        if first != other {
            let at = first.iter().zip(&other).take_while(|(one, other)| one == other).count();
            let (one, other) = (first.get(at), other.get(at));
            log.complain("feed", format!("readers 0 and {number} part at {at}: {one:?} and {other:?}"));
        }
    }
    if !first.is_sorted_by(|one, other| one.0 < other.0) {
        log.complain("feed", "positions do not grow".to_owned());
    }
    let mut jobs: HashMap<Uuid, (u32, bool)> = HashMap::new();
    for event in &seen[0] {
        let (seq, is_over) = jobs.entry(event.job).or_default();
        if *is_over || event.seq != *seq + 1 {
            log.complain("feed", format!("{}: event {} follows {seq}, over: {is_over}", event.job, event.seq));
        }
        (*seq, *is_over) = (event.seq, matches!(&*event.what, "succeeded" | "failed" | "canceled"));
    }
    let open = jobs.iter().filter(|(_, (_, is_over))| !is_over).count();
    let unheard = made.iter().filter(|job| !jobs.contains_key(*job)).count();
    if open + unheard > 0 {
        log.complain("feed", format!("{open} jobs have no end, {unheard} acknowledged ones no event"));
    }
    let gone: HashSet<u64> =
        seen.iter().flatten().filter(|event| event.data.is_none()).map(|event| event.position).collect();
    gone.len()
}

impl Actor {
    /// Asks the next server.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &'static str,
    ) -> Result<Response, Broken> {
        self.ask_with(method, path, headers, body.to_owned()).await
    }

    async fn ask_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Response, Broken> {
        let mut request = self.client.request(method, format!("{}{path}", self.http.base().await?)).body(body);
        for (name, value) in headers.iter().chain(&[("content-type", "application/json")]) {
            request = request.header(*name, *value);
        }
        match request.send().await {
            Ok(response) => Ok(response),
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Err(Broken)
            }
        }
    }

    fn complain(&self, text: String) {
        self.log.complain("feed", text);
    }

    /// Submits, until it is stopped.
    async fn submit(self, mut rng: StdRng) {
        loop {
            let kept = if rng.random() { "1s" } else { "1h" };
            let body = json!({"kind": "feed", "input": rng.random::<u32>(), "key": Uuid::from_u128(rng.random()),
                "retention": {"succeeded": kept, "failed": kept}, "retry": {"max_attempts": 2, "initial": "10ms"}});
            if let Ok(answer) = self.http.post("/jobs", &body).await
                && let Ok(job) = answer.json::<Job>()
            {
                self.made.lock().push(job.id);
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Cancels what may wait still and removes it, until it is stopped.
    async fn purge(self, mut rng: StdRng) {
        loop {
            let lately = rng.random_range(1..60);
            let job = self.made.lock().iter().rev().nth(lately).copied();
            if let Some(job) = job {
                self.remove(job).await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Answers whether nothing is left of it but events.
    async fn remove(&self, job: Uuid) -> bool {
        // Whatever becomes of it: only what has ended goes.
        let _ = self.http.post(&format!("/jobs/{job}/cancel"), &json!({})).await;
        let removed = self.http.send(Method::DELETE, &format!("/jobs/{job}"), "", Vec::new()).await;
        // When its tombstone is over as well, nobody knows of it any more.
        removed.is_ok_and(|removed| matches!(removed.status, 204 | 404 | 410))
    }

    /// Runs everything; some of it fails, and is run again.
    async fn work(self) {
        let mut finish = Vec::new();
        loop {
            let body = json!({"kinds": ["feed"], "max": 16, "wait": "50ms", "worker": {"name": "w"}, "ttl": "2s",
                "finish": std::mem::take(&mut finish)});
            let Ok(answer) = self.http.post("/leases", &body).await else { continue };
            let Ok(leases) = answer.json::<Leases>() else { continue };
            self.ended.fetch_add(leases.finished.len() as u64, Ordering::Relaxed);
            for leased in leases.leases {
                let error = json!({"type": "no", "title": "not yet", "detail": "x".repeat(200)});
                finish.push(match leased.job.id.as_u128() % 4 {
                    0 => json!({"lease": leased.lease, "fail": {"error": error}}),
                    _ => json!({"lease": leased.lease, "complete": {"result": leased.job.id}}),
                });
            }
        }
    }

    /// Removes all jobs, says that it was the last, and waits until everything is read.
    async fn finish(&self, readers: JoinSet<Vec<Published>>) -> Result<Vec<Vec<Published>>> {
        let made = self.made.lock().clone();
        for job in made {
            until("a job is removed", GONE, async || Ok(self.remove(job).await)).await?;
        }
        until("what was sent and not heard of has ended", GONE, async || {
            let queue: crate::wire::Queues = self.http.fetch("/queues").await?;
            Ok(queue.items.iter().all(|queue| queue.scheduled + queue.queued + queue.blocked + queue.running == 0))
        })
        .await?;
        let body = json!({"kind": LAST, "retention": {"succeeded": "1s", "failed": "1s"}});
        let last: Job = self.http.post("/jobs", &body).await.map_err(|Broken| anyhow::anyhow!("broken"))?.json()?;
        self.made.lock().push(last.id);
        ensure!(self.remove(last.id).await, "the last job is not removed");
        Ok(readers.join_all().await)
    }

    /// Follows by a stream, from its beginning, across every break.
    async fn stream(self) -> Vec<Published> {
        let mut seen = Vec::new();
        let mut last = String::new();
        loop {
            let accept = ("accept", "text/event-stream");
            let headers = [accept, ("last-event-id", last.as_str())];
            let headers = if last.is_empty() { &headers[..1] } else { &headers[..] };
            let Ok(mut answer) = self.ask(Method::GET, "/events?after=0", headers, "").await else { continue };
            if answer.status() != 200 {
                self.complain(format!("a stream was answered {}", answer.status()));
                self.read[0].store(u64::MAX, Ordering::Relaxed);
                return seen;
            }
            let mut text = String::new();
            while let Ok(Some(piece)) = answer.chunk().await {
                text.push_str(&String::from_utf8_lossy(&piece));
                while let Some((block, rest)) = text.split_once("\n\n") {
                    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                    if let Some(id) = field("id: ") {
                        last = id.to_owned();
                    }
                    let name = field("event: ");
                    if let Some(name) = name.filter(|name| *name != "place") {
                        self.complain(format!("a stream was told of a {name}"));
                    }
                    if let Some(data) = field("data: ").filter(|_| name.is_none()) {
                        match serde_json::from_str::<Published>(data) {
                            Ok(event) => seen.push(event),
                            Err(error) => self.complain(format!("{error}: {data}")),
                        }
                    }
                    text = rest.to_owned();
                }
                if self.come_to(&seen, Some(0)) {
                    return seen;
                }
            }
        }
    }

    /// Whether this is everything; says how far it is.
    fn come_to(&self, seen: &[Published], number: Option<usize>) -> bool {
        let Some(event) = seen.last() else { return false };
        let is_over = event.kind == LAST && event.what == "canceled";
        if let Some(number) = number {
            // Whoever waits for it need not wait any more.
            self.read[number].store(if is_over { u64::MAX } else { event.position }, Ordering::Relaxed);
        }
        is_over
    }

    async fn page(&self, path: &str) -> Result<Option<Page>, Broken> {
        let answer = self.http.get(path).await?;
        match answer.json::<Page>() {
            Ok(page) if answer.status == 200 => Ok(Some(page)),
            _ => {
                self.complain(format!("{path} was answered {}: {}", answer.status, answer.text()));
                Ok(None)
            }
        }
    }

    /// Reads pages, always late.
    async fn pages(self) -> Vec<Published> {
        let (mut seen, mut after) = (Vec::new(), "0".to_owned());
        loop {
            tokio::time::sleep(LATE).await;
            match self.page(&format!("/events?after={after}")).await {
                Err(Broken) => continue,
                Ok(None) => {
                    self.read[1].store(u64::MAX, Ordering::Relaxed);
                    return seen;
                }
                Ok(Some(page)) => (seen, after) = ([seen, page.items].concat(), page.next_after),
            }
            if self.come_to(&seen, Some(1)) {
                return seen;
            }
        }
    }

    /// Reads from a place that the server keeps, and moves that when the two others are as far, so that nothing goes before they
    /// have read it.
    async fn named(self) -> Vec<Published> {
        let (mut seen, mut tag) = (Vec::<Published>::new(), String::new());
        loop {
            let page = match self.page("/events?reader=named&wait=500ms").await {
                Err(Broken) => continue,
                Ok(None) => return seen,
                Ok(Some(page)) => page,
            };
            let Some(last) = page.items.last().map(|event| event.position) else { continue };
            seen.extend(page.items);
            let is_over = self.come_to(&seen, None);
            while self.read.iter().any(|read| read.load(Ordering::Relaxed) < last) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            if !self.put(&page.next_after, &mut tag).await || is_over {
                return seen;
            }
        }
    }

    /// Moves the named reader once, whatever becomes of the answer.
    async fn put(&self, to: &str, tag: &mut String) -> bool {
        loop {
            if tag.is_empty() {
                let Ok(there) = self.ask(Method::GET, "/readers/named", &[], "").await else { continue };
                *tag = etag(there.headers());
                let Ok(there) = there.bytes().await else { continue };
                if serde_json::from_slice(&there).is_ok_and(|there: Reader| there.cursor == to) {
                    return true;
                }
            }
            let body = json!({"cursor": to}).to_string();
            match self.ask_with(Method::PUT, "/readers/named", &[("if-match", tag)], body).await {
                Err(Broken) => tag.clear(),
                Ok(moved) if moved.status() == 200 => {
                    *tag = etag(moved.headers());
                    return true;
                }
                Ok(refused) => {
                    self.complain(format!("the reader was not moved: {}", refused.status()));
                    return false;
                }
            }
        }
    }
}

fn etag(headers: &HeaderMap) -> String {
    headers.get(ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned()
}
