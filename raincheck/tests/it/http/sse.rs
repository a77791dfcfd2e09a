//! Server-sent events as they are on the wire: other people's clients read them more or less as the standard says.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use super::super::server::until;
use super::test_server::{TestServer, path, send, text};

const SOON: Duration = Duration::from_secs(60);

/// A stream under way and what it has said.
struct Reading {
    pieces: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    said: String,
}

impl Reading {
    async fn of(server: &TestServer, path: &str) -> Reading {
        let answer = sse(server, path).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Reading { pieces: Box::pin(answer.bytes_stream()), said: String::new() }
    }

    /// Reads on until it is so.
    async fn until(&mut self, what: &str, mut is_so: impl FnMut(&str) -> bool) -> &str {
        while !is_so(&self.said) {
            let piece = tokio::time::timeout(SOON, self.pieces.next()).await;
            let piece = piece.unwrap_or_else(|_| panic!("never {what}: {}", self.said));
            let piece = piece.unwrap_or_else(|| panic!("ended before {what}: {}", self.said)).unwrap();
            self.said.push_str(std::str::from_utf8(&piece).unwrap());
        }
        &self.said
    }
}

fn sse(server: &TestServer, path: &str) -> reqwest::RequestBuilder {
    server.ask(Method::GET, path).header("accept", "text/event-stream")
}

/// The values of a field.
fn fields<'a>(said: &'a str, name: &'a str) -> Vec<&'a str> {
    said.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
}

/// The data of the events of a name.
fn named(said: &str, name: &str) -> Vec<Value> {
    let blocks = said.split_inclusive("\n\n").filter(|block| block.ends_with("\n\n"));
    let named = blocks.filter(|block| fields(block, "event") == [name]);
    named.map(|block| serde_json::from_str(&fields(block, "data").concat()).unwrap()).collect()
}

/// Every block ends an event that has data: of any other some clients make one without.
fn is_made_of_events(said: &str) {
    for block in said.split_inclusive("\n\n").filter(|block| block.ends_with("\n\n")) {
        assert!(block.contains("\ndata: ") || block.starts_with("data: "), "no event: {block:?} of {said:?}");
    }
}

#[tokio::test]
async fn every_block_is_an_event_and_a_comment_is_none() {
    let server = TestServer::new().await;
    let job = server.job().await;
    server.lease("k").await;
    let first = |said: &str| said.contains("\n\n");
    let comment = |said: &str| said.ends_with("\n:\n");
    let events = format!("{job}/events");
    let mut job_events = Reading::of(&server, &events).await;
    let mut feed = Reading::of(&server, "/events?kind=none").await;
    let again = format!("{events}?lastEventId=2");
    let mut again = Reading::of(&server, &again).await;
    // A reconnect has nothing to say yet but when to come again: with its first event, or with none.
    assert_eq!(again.until("its begin", |said| !said.is_empty()).await, "retry: 2000\n");
    for reading in [&mut job_events, &mut feed] {
        let said = reading.until("its first event", first).await;
        assert!(said.starts_with("retry: 2000\nevent: "), "{said}");
    }
    let (one, two, three) = tokio::join!(
        job_events.until("a comment", comment),
        feed.until("a comment", comment),
        again.until("a comment", comment)
    );
    [one, two, three].into_iter().for_each(is_made_of_events);
    assert_eq!(three, "retry: 2000\n:\n");
}

/// A stream that a filter leaves nothing of tells all the same where to go on.
#[tokio::test]
async fn a_filtered_stream_says_how_far_it_is() {
    let server = TestServer::new().await;
    let mut reading = Reading::of(&server, "/events?kind=none").await;
    // At once, so that whoever is cut off before the first event misses none, and with every sign of life.
    for n in 1..=2 {
        let said = reading.until("where it is", |said| named(said, "place").len() == n).await;
        is_made_of_events(said);
        let last = fields(said, "id").pop().unwrap();
        assert_eq!(named(said, "place")[n - 1], json!({"cursor": last}));
        let rest = server.get(&format!("/events?after={last}")).await.is(200).json();
        assert_eq!(rest["items"].as_array().map(Vec::len), Some(0), "{said}");
        server.job().await;
        let rest = server.get(&format!("/events?after={last}")).await.json();
        assert_eq!(rest["items"].as_array().map(Vec::len), Some(1), "{said}");
    }
}

/// Polyfills that can set no header say in the query what they have seen; the header of an `EventSource` that comes again is newer
/// than an address that it was made with.
#[tokio::test]
async fn the_last_event_may_be_named_in_the_query() {
    let server = TestServer::new().await;
    let job = server.job().await;
    server.complete("k", json!(1)).await;
    let events = format!("{job}/events");
    let ids = async |query: &str, header: Option<&str>| {
        let ask = sse(&server, &format!("{events}?lastEventId={query}"));
        let reply = send(header.map_or(ask.try_clone().unwrap(), |id| ask.header("last-event-id", id))).await;
        (reply.status, fields(&reply.text(), "id").join(","))
    };
    assert_eq!(ids("1", None).await, (200, "2,3".to_owned()));
    assert_eq!(ids("3", None).await, (204, String::new()));
    assert_eq!(ids("1", Some("2")).await, (200, "3".to_owned()));
    assert_eq!(ids("", None).await, (200, "3".to_owned()), "a snapshot, as for who has seen nothing");
    let reset = send(sse(&server, &format!("{events}?lastEventId=x"))).await;
    assert_eq!(named(&reset.is(200).text(), "reset")[0]["seq"], 3);
    let page = server.get("/events?after=0").await.json();
    let second = text(&page["items"][1]["cursor"]).to_owned();
    let mut feed = Reading::of(&server, &format!("/events?lastEventId={second}")).await;
    feed.until("the third event", |said| said.contains("\"succeeded\"")).await;
    server.get(&format!("{events}?lastEventId=1")).await.is(400);
}

#[tokio::test]
async fn over_the_bound_of_streams_a_client_is_sent_away_kindly() {
    let server = TestServer::with(|options| options.limits.streams = 1).await;
    let job = server.job().await;
    let events = format!("{job}/events");
    let mut first = Reading::of(&server, &events).await;
    first.until("its first event", |said| said.contains("\n\n")).await;
    let away = async |path: &str| {
        let away = send(sse(&server, path)).await.is(200).text();
        let lines: Vec<&str> = away.lines().collect();
        let wait: u64 = lines[1].strip_prefix("retry: ").unwrap().parse().unwrap();
        assert!((2_000..=10_000).contains(&wait) && lines[0] == ":" && lines[2] == "event: reset", "{away}");
        is_made_of_events(&away);
        (fields(&away, "id")[0].to_owned(), named(&away, "reset")[0].clone())
    };
    // It goes on there when it comes again, and has missed nothing.
    let (id, data) = away(&events).await;
    assert_eq!((id.as_str(), path(&data)), ("1", job.clone()));
    server.lease("k").await;
    assert_eq!(away(&format!("{events}?lastEventId=1")).await.0, "1");
    let cursor = away("/events?after=0").await.0;
    let rest = server.get(&format!("/events?after={cursor}")).await.is(200).json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 2);
    assert_eq!(away(&format!("{job}/stream")).await, ("1-0".to_owned(), json!(null)));
    drop(first);
    until("the slot is free again", SOON, async || {
        let mut next = sse(&server, &events).send().await.unwrap().bytes_stream();
        String::from_utf8_lossy(&next.next().await.unwrap().unwrap()).contains("snapshot")
    })
    .await;
}

/// As a WebSocket does, it holds neither a place nor memory.
#[tokio::test]
async fn who_never_reads_is_cut() {
    let server = TestServer::with(|options| options.limits.stalled = 300).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut stream = socket.connect(server.url.strip_prefix("http://").unwrap().parse().unwrap()).await.unwrap();
    let ask = "GET /events?after=0 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let streams = async || server.get("/metrics").await.text();
    until("it is open", SOON, async || streams().await.contains("raincheck_http_streams 1")).await;
    let jobs = json!({"jobs": vec![json!({"kind": "k"}); 1_000]});
    until("it is cut", SOON, async || {
        server.post("/jobs/batch", jobs.clone()).await.is(202);
        streams().await.contains("raincheck_http_streams 0")
    })
    .await;
}

/// A place in the line is told as it changes, and once for all changes meanwhile; not to who asks for the events alone.
#[tokio::test]
async fn a_waiting_job_is_told_its_place() {
    let server = TestServer::new().await;
    for _ in 0..3 {
        server.job().await;
    }
    let events = format!("{}/events", server.job().await);
    let (mut reading, bare) = (Reading::of(&server, &events).await, format!("{events}?after=0"));
    let mut bare = Reading::of(&server, &bare).await;
    let first = reading.until("the snapshot", |said| !named(said, "snapshot").is_empty()).await;
    assert_eq!(named(first, "snapshot")[0]["position"], 4);
    server.complete("k", json!(1)).await;
    server.complete("k", json!(1)).await;
    let said = reading.until("its place", |said| !named(said, "position").is_empty()).await;
    let told = &named(said, "position")[0];
    assert_eq!((&told["position"], &told["waiting_for"]), (&json!(2), &json!(null)), "{said}");
    assert!(told["eta_seconds"].is_u64() && fields(said, "id").iter().all(|id| *id == "1"), "{said}");
    is_made_of_events(said);
    server.complete("k", json!(1)).await;
    server.complete("k", json!(1)).await;
    let is_over = |said: &str| said.contains("\"succeeded\"") && said.ends_with("\n\n");
    let whole = reading.until("its end", is_over).await;
    assert!(named(whole, "position").len() <= 2, "{whole}");
    let whole = bare.until("its end", is_over).await;
    assert_eq!((fields(whole, "id").join(","), fields(whole, "event").len()), ("1,2,3".to_owned(), 0));
}
