//! What greedy callers do, one row each.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;

use super::caller::{Caller, get, post};

/// No attack takes longer, or somebody hangs.
pub const LONGEST: Duration = Duration::from_secs(60);
/// How long what is held is held: longer than it takes to fill memory with it.
const HELD: Duration = Duration::from_secs(1);
/// As much as a batch may have, nearly.
const MUCH: usize = 31 << 20;
/// Asks for events as they come.
const STREAM: &str = "Accept: text/event-stream\r\n";
/// Refused for what it is, or because there is no room for it; never taken.
const REFUSED: &[u16] = &[400, 422, 503];

type Doing = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A way to take more than one's share.
pub struct Attack {
    /// What it is called.
    pub name: &'static str,
    /// What is done.
    pub about: &'static str,
    /// Does it.
    pub run: fn(Caller) -> Doing,
}

macro_rules! attacks {
    ($($name:literal, $about:literal, $run:expr;)*) => {
        /// Every way, in this order.
        pub const ATTACKS: &[Attack] =
            &[$(Attack { name: $name, about: $about, run: |caller| Box::pin($run(caller)) }),*];
    };
}

attacks! {
    "tiny-jobs", "batches of millions of jobs", tiny_jobs;
    "empty-beats", "heartbeats for millions of leases", empty_beats;
    "empty-ends", "ends of millions of runs", empty_ends;
    "many-kinds", "requests for work of millions of kinds", many_kinds;
    "stalled-batches", "sixty batches that stop in the middle", stalled_batches;
    "stalled-bodies", "small bodies that lack their last byte", stalled_bodies;
    "stalled-heads", "heads that lack their end", stalled_heads;
    "many-workers", "made-up workers with a thousand kinds each", many_workers;
    "many-waits", "waits for a thousand kinds each", many_waits;
    "many-errors", "jobs of which every member is wrong", many_errors;
    "echoes", "names and words of thirty megabytes", echoes;
    "deep", "lists in lists in lists", deep;
    "wide", "an input of millions of members that is to be compared", wide;
    "crumbs", "a body in chunks of one byte", crumbs;
    "parameters", "thousands of query parameters", parameters;
    "unread-lists", "pages of jobs that nobody reads", unread_lists;
    "unread-feeds", "streams of all events that nobody reads", unread_feeds;
    "unread-errors", "streams of a job with many long errors that nobody reads", unread_errors;
    "unread-events", "more than a thousand streams of long events that nobody reads", unread_events;
    "unread-pipeline", "thousands of requests at once, of which no answer is read", unread_pipeline;
    "unread-leases", "large inputs, leased and not read", unread_leases;
    "lost-beats", "a thousand times the same lost lease of a job with much to show", lost_beats;
    "waiting-beats", "waiting heartbeats for all runs, again and again", waiting_beats;
    "endless-appends", "appends without a byte to a run that is over", endless_appends;
    "sockets", "WebSockets with frames that are too large", sockets;
}

/// A JSON text of about so many bytes: `begin`, elements with commas between them, `end`.
fn list(begin: &str, element: &str, end: &str, bytes: usize) -> Bytes {
    let count = bytes.saturating_sub(begin.len() + end.len() + 1) / (element.len() + 1);
    let mut text = String::with_capacity(bytes + element.len());
    text.push_str(begin);
    for number in 0..count {
        if number > 0 {
            text.push(',');
        }
        text.push_str(element);
    }
    text.push_str(end);
    text.into()
}

async fn tiny_jobs(caller: Caller) -> Result<()> {
    caller.at_once(4, "/jobs/batch", list("{\"jobs\":[", "{\"kind\":\"a\"}", "]}", MUCH), REFUSED).await
}

async fn empty_beats(caller: Caller) -> Result<()> {
    caller.at_once(4, "/leases/heartbeat", list("{\"heartbeats\":[", "{\"lease\":\"\"}", "]}", MUCH), REFUSED).await
}

async fn empty_ends(caller: Caller) -> Result<()> {
    caller.at_once(4, "/leases", list("{\"finish\":[", "{\"lease\":\"\",\"release\":{}}", "]}", MUCH), REFUSED).await
}

async fn many_kinds(caller: Caller) -> Result<()> {
    caller.at_once(4, "/leases", list("{\"kinds\":[", "\"a\"", "]}", MUCH), REFUSED).await
}

async fn stalled_batches(caller: Caller) -> Result<()> {
    let whole = post("/jobs/batch", &list("{\"jobs\":[", "{\"kind\":\"a\",\"input\":1}", "]}", MUCH));
    caller.hold(60, Bytes::from(whole).slice(..MUCH / 2), HELD).await
}

async fn stalled_bodies(caller: Caller) -> Result<()> {
    let whole = post("/jobs", format!("{{\"kind\":\"a\",\"input\":\"{}\"}}", "x".repeat(60_000)).as_bytes());
    caller.hold(1_500, Bytes::from(whole).slice(..60_000), HELD).await
}

async fn stalled_heads(caller: Caller) -> Result<()> {
    let head = format!("GET /jobs HTTP/1.1\r\nHost: localhost\r\nX-Much: {}", "x".repeat(60_000));
    caller.hold(1_500, head.into(), HELD).await
}

fn kinds(mark: usize) -> Vec<String> {
    (0..1_000).map(|kind| format!("{mark:030}-{kind:030}")).collect()
}

async fn many_workers(caller: Caller) -> Result<()> {
    for number in 0..400 {
        let name = format!("{number:0200}");
        let ask = json!({"worker": {"name": name, "version": name}, "kinds": kinds(number), "wait": 0});
        ensure!(caller.post("/leases", ask.to_string().as_bytes()).await? == 204, "a request for work was not taken");
    }
    Ok(())
}

async fn many_waits(caller: Caller) -> Result<()> {
    let ask = json!({"kinds": kinds(0), "queues": kinds(1), "wait": "20s"});
    caller.hold(1_000, post("/leases", ask.to_string().as_bytes()).into(), HELD).await
}

async fn many_errors(caller: Caller) -> Result<()> {
    let tags: serde_json::Map<String, Value> = (0..32).map(|n| (format!("{n}\u{1}"), json!("\u{1}"))).collect();
    let job = json!({"kind": "A", "queue": "Q", "method": "PUT", "priority": 1000, "tags": tags, "on_lost": "x"});
    let body = json!({"jobs": vec![job; 1_000]}).to_string();
    let answer = caller.raw(&post("/jobs/batch", body.as_bytes())).await?;
    ensure!(answer.len() < 256 << 10, "the answer has {} bytes", answer.len());
    caller.at_once(16, "/jobs/batch", body.into(), REFUSED).await
}

async fn echoes(caller: Caller) -> Result<()> {
    let long = "x".repeat(MUCH - 100);
    for body in [
        format!("{{\"{long}\":1}}"),
        format!("{{\"jobs\":\"{long}\"}}"),
        format!("{{\"jobs\":[{{\"kind\":\"{long}\"}}]}}"),
        format!("{{\"jobs\":[{{\"kind\":\"a\",\"{long}\":1}}]}}"),
        format!("{{\"jobs\":[{{\"kind\":\"a\",\"start_by\":\"{long}\"}}]}}"),
        format!("{{\"jobs\":[{{\"kind\":\"a\",\"tags\":{{\"{long}\":\"x\"}}}}]}}"),
    ] {
        let answer = caller.raw(&post("/jobs/batch", body.as_bytes())).await?;
        ensure!(answer.len() < 64 << 10, "the answer has {} bytes", answer.len());
        caller.at_once(3, "/jobs/batch", body.into(), REFUSED).await?;
    }
    let beats = format!("{{\"heartbeats\":[{{\"lease\":\"{long}\"}}]}}");
    caller.at_once(3, "/leases/heartbeat", beats.into(), REFUSED).await
}

async fn deep(caller: Caller) -> Result<()> {
    let lists = "[".repeat(MUCH - 100);
    caller.at_once(3, "/jobs/batch", format!("{{\"jobs\":[{{\"kind\":\"a\",\"input\":{lists}").into(), REFUSED).await?;
    caller.at_once(3, "/jobs/batch", lists.into(), REFUSED).await
}

async fn wide(caller: Caller) -> Result<()> {
    let begin = "{\"jobs\":[{\"kind\":\"wide\",\"queue\":\"greedy\",\"method\":\"GET\",\"input\":{\"b\":0,";
    let body = list(begin, "\"\":0", "}}]}", 24 << 20);
    caller.at_once(3, "/jobs/batch", body, &[202, 503]).await
}

async fn crumbs(caller: Caller) -> Result<()> {
    let head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let request = Bytes::from([head, &"1\r\n \r\n".repeat(200_000)].concat());
    caller.hold(16, request, HELD).await
}

async fn parameters(caller: Caller) -> Result<()> {
    let query: Vec<String> = (0..5_000).map(|n| format!("{n:x}")).collect();
    caller.hold(200, get(&format!("/jobs?{}", query.join("&")), "Connection: close\r\n"), HELD).await
}

/// Jobs with much to show: as long a failure as there may be.
async fn failed_jobs(caller: Caller, count: usize) -> Result<()> {
    let kind = format!("failed-{count}");
    caller.done("/jobs/batch", &json!({"jobs": vec![json!({"kind": kind, "queue": "greedy"}); count]})).await?;
    let detail = "x".repeat(64 << 10);
    for lease in leases(caller, &kind, count).await? {
        let fail = json!({"error": {"detail": detail}, "retryable": false});
        caller.done(&format!("/leases/{lease}/fail"), &fail).await?;
    }
    Ok(())
}

/// The leases of all jobs of a kind, however few come at a time.
async fn leases(caller: Caller, kind: &str, count: usize) -> Result<Vec<String>> {
    let ask = json!({"worker": {"name": "greedy"}, "kinds": [kind], "max": 1_000, "wait": "2s"});
    let mut all = Vec::new();
    while all.len() < count {
        let answer = caller.done("/leases", &ask).await?;
        let leases = answer["leases"].as_array().context("no leases")?;
        all.extend(leases.iter().filter_map(|leased| Some(leased["lease"].as_str()?.to_owned())));
    }
    Ok(all)
}

async fn unread_lists(caller: Caller) -> Result<()> {
    failed_jobs(caller, 300).await?;
    caller.hold(200, get("/jobs?limit=1000", ""), HELD * 2).await
}

async fn unread_feeds(caller: Caller) -> Result<()> {
    caller.hold(300, get("/events?after=0", STREAM), HELD * 2).await?;
    caller.hold(100, get("/events?after=0&wait=1s", ""), HELD).await
}

async fn unread_errors(caller: Caller) -> Result<()> {
    let job = json!({"kind": "errors", "queue": "greedy", "retry": {"max_attempts": 1_000}});
    let job = caller.done("/jobs", &job).await?;
    let id = job["id"].as_str().context("no id")?;
    let fail = json!({"error": {"detail": "x".repeat(64 << 10)}, "retry_after": "0s"});
    for _ in 0..90 {
        let lease = leases(caller, "errors", 1).await?.pop().context("no lease")?;
        caller.done(&format!("/leases/{lease}/fail"), &fail).await?;
    }
    caller.hold(200, get(&format!("/jobs/{id}/events?after=0"), STREAM), HELD * 2).await
}

async fn unread_events(caller: Caller) -> Result<()> {
    caller.hold(1_500, get("/events?after=0&state=failed", STREAM), HELD * 2).await
}

async fn unread_pipeline(caller: Caller) -> Result<()> {
    let requests = Bytes::from(get("/queues", "").repeat(1_000));
    caller.hold(100, requests, HELD).await
}

async fn unread_leases(caller: Caller) -> Result<()> {
    let job = json!({"kind": "large", "queue": "greedy", "input": "x".repeat(60 << 10)});
    let body = Bytes::from(json!({"jobs": vec![job; 500]}).to_string());
    // Far more than there is memory for.
    for _ in 0..10 {
        caller.at_once(1, "/jobs/batch", body.clone(), &[202, 503]).await?;
    }
    let ask = json!({"worker": {"name": "greedy"}, "kinds": ["large"], "max": 1_000, "ttl": "2s"});
    caller.hold(100, post("/leases", ask.to_string().as_bytes()).into(), HELD).await
}

async fn lost_beats(caller: Caller) -> Result<()> {
    caller.done("/jobs", &json!({"kind": "lost", "queue": "greedy"})).await?;
    let lease = leases(caller, "lost", 1).await?.pop().context("no lease")?;
    let fail = json!({"error": {"detail": "x".repeat(64 << 10)}, "retryable": false});
    caller.done(&format!("/leases/{lease}/fail"), &fail).await?;
    let beats = Bytes::from(json!({"heartbeats": vec![json!({"lease": lease}); 1_000]}).to_string());
    caller.at_once(16, "/leases/heartbeat", beats, &[200, 503]).await
}

async fn waiting_beats(caller: Caller) -> Result<()> {
    let jobs = json!({"jobs": vec![json!({"kind": "beats", "queue": "greedy"}); 1_000]});
    caller.done("/jobs/batch", &jobs).await?;
    let beats: Vec<Value> = leases(caller, "beats", 1_000).await?.iter().map(|lease| json!({"lease": lease})).collect();
    let ask = json!({"heartbeats": beats, "wait": "20s"}).to_string();
    caller.hold(200, post("/leases/heartbeat", ask.as_bytes()).into(), HELD * 2).await
}

async fn endless_appends(caller: Caller) -> Result<()> {
    caller.done("/jobs", &json!({"kind": "appends", "queue": "greedy"})).await?;
    let lease = leases(caller, "appends", 1).await?.pop().context("no lease")?;
    let head =
        format!("POST /leases/{lease}/log HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n");
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(caller.open(head.as_bytes()).await?);
    }
    let fail = json!({"error": {"title": "over"}, "retryable": false});
    caller.done(&format!("/leases/{lease}/fail"), &fail).await?;
    for mut stream in open {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        // A reset says that it is over, too.
        let _ = read.context("an append to a run that is over is still waited for")?;
    }
    Ok(())
}

async fn sockets(caller: Caller) -> Result<()> {
    let shake = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    // A text of 2 GiB, it says.
    let frame = [&[0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4][..], &[b'x'; 1 << 20]].concat();
    let request = [&get("/events?after=0", shake)[..], &frame].concat();
    caller.hold(200, request.into(), HELD).await
}
