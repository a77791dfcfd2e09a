//! Events: one feed, three ways to read it, the same numbers.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::test_server::{TestServer, path, send, text};

/// One server-sent event.
#[derive(Debug, Default, PartialEq)]
struct Frame {
    name: String,
    id: String,
    data: String,
}

fn frames(text: &str) -> Vec<Frame> {
    let field = |block: &str, name: &str| {
        let lines: Vec<_> = block.lines().filter_map(|line| line.strip_prefix(name)).collect();
        lines.join("\n")
    };
    text.split("\n\n")
        .filter(|block| block.contains("data: ") && !block.contains("event: place"))
        .map(|block| Frame { name: field(block, "event: "), id: field(block, "id: "), data: field(block, "data: ") })
        .collect()
}

/// A job with a whole life behind it: created, started, progress, retrying, started, succeeded.
async fn life(server: &TestServer) -> String {
    let job = server.job().await;
    let lease = server.lease("k").await;
    let url = format!("/leases/{}", text(&lease["lease"]));
    server.post(&format!("{url}/heartbeat"), json!({"progress": {"percent": 5}})).await.is(200);
    server.post(&format!("{url}/fail"), json!({"error": {"title": "x"}, "retry_after": "0s"})).await.is(200);
    server.complete("k", json!(1)).await;
    job
}

fn sse(server: &TestServer, path: &str, last: Option<&str>) -> reqwest::RequestBuilder {
    let request = server.ask(Method::GET, path).header("accept", "text/event-stream");
    match last {
        Some(id) => request.header("last-event-id", id),
        None => request,
    }
}

async fn websocket(server: &TestServer, path: &str) -> Vec<Value> {
    let url = format!("{}{path}", server.url.replace("http://", "ws://"));
    let mut request = url.into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "raincheck.v1".parse().unwrap());
    let (mut socket, answer) = connect_async(request).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "raincheck.v1");
    let mut events = Vec::new();
    while let Some(message) = socket.next().await {
        match message.unwrap() {
            Message::Text(text) => events.push(serde_json::from_str(&text).unwrap()),
            Message::Close(frame) => {
                assert_eq!(u16::from(frame.unwrap().code), 1000);
                break;
            }
            _ => {}
        }
    }
    events
}

#[tokio::test]
async fn three_transports_tell_the_same() {
    let server = TestServer::new().await;
    let job = life(&server).await;
    let events = format!("{job}/events");
    let page = server.get(&events).await.is(200).json();
    let polled = page["items"].as_array().unwrap();
    let types: Vec<_> = polled.iter().map(|event| text(&event["type"])).collect();
    assert_eq!(types, ["created", "started", "progress", "retrying", "started", "succeeded"]);
    for (n, event) in polled.iter().enumerate() {
        assert_eq!(event["seq"], n as u64 + 1);
        assert_eq!((&event["queue"], &event["kind"]), (&json!("default"), &json!("k")));
        assert!(event["cursor"].is_string() && event["data"].is_object() && event["at"].is_string());
    }
    assert_eq!((&page["next_after"], &page["done"]), (&json!(6), &json!(true)));
    assert_eq!(polled[0]["data"], json!({}), "no key was given");
    let result = &polled[5]["data"]["result"];
    assert_eq!((&result["value"], &result["size"]), (&json!(1), &json!(1)));
    assert_eq!(result["href"], format!("{}/result", path(&server.get(&job).await.json())));
    assert_eq!(polled[1]["data"]["worker"], "test");
    assert_eq!(polled[2]["data"]["percent"], 5.0);
    assert_eq!(polled[3]["data"]["problem"]["title"], "x");

    let streamed = send(sse(&server, &format!("{events}?after=0"), None)).await;
    streamed.is(200);
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("x-accel-buffering", "no"),
        ("cache-control", "no-store, no-transform"),
    ] {
        assert_eq!(streamed.header(name), value);
    }
    assert!(streamed.text().starts_with("retry: "));
    let streamed = frames(&streamed.text());
    assert!(streamed.iter().zip(1..).all(|(frame, n): (_, u64)| frame.name.is_empty() && frame.id == n.to_string()));
    let streamed: Vec<Value> = streamed.iter().map(|frame| serde_json::from_str(&frame.data).unwrap()).collect();
    assert_eq!(&streamed, polled);
    assert_eq!(&websocket(&server, &format!("{events}?after=0")).await, polled);

    // In the whole feed they have a position besides, and results where somebody asks for them.
    let feed = server.get("/events?after=0&include=result").await.is(200).json();
    let feed = feed["items"].as_array().unwrap();
    let positions: Vec<i64> = feed.iter().map(|event| event["position"].as_i64().unwrap()).collect();
    assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
    let mut plain = feed.clone();
    plain.iter_mut().for_each(|event| _ = event.as_object_mut().unwrap().remove("position"));
    assert_eq!(&plain, polled);
    let rest = server.get(&format!("/events?after={}&include=result", text(&polled[3]["cursor"]))).await.json();
    assert_eq!(rest["items"].as_array().unwrap(), &feed[4..]);
    let bare = server.get("/events?after=0").await.json();
    assert_eq!((&bare["items"][4], &bare["items"][5]["data"]), (&feed[4], &json!({})));
    server.get("/events?include=input").await.is(400);
    let mut live = sse(&server, "/events?after=0&include=result", None).send().await.unwrap().bytes_stream();
    let mut seen = String::new();
    while frames(&seen).len() < 6 {
        seen += std::str::from_utf8(&live.next().await.unwrap().unwrap()).unwrap();
    }
    let streamed: Vec<Value> = frames(&seen).iter().map(|frame| serde_json::from_str(&frame.data).unwrap()).collect();
    assert_eq!(&streamed, feed);
}

#[tokio::test]
async fn the_feed_outlives_jobs() {
    let server = TestServer::new().await;
    let job = server.submit(json!({"kind": "k", "key": "order-7"})).await;
    let lease = server.lease("k").await;
    server.post(&format!("/leases/{}/complete", text(&lease["lease"])), json!(5)).await.is(200);
    let before = server.get("/events?after=0&include=result").await.json();
    let before = before["items"].as_array().unwrap();
    assert_eq!(before[0]["data"]["key"], "order-7");
    assert_eq!(before[2]["data"]["result"]["value"], 5);
    send(server.ask(Method::DELETE, &path(&job))).await.is(204);
    // Who is behind, or begins anew, is given all of them, each in its place, and nothing of what they held.
    for after in ["0", text(&before[0]["cursor"])] {
        let page = server.get(&format!("/events?include=result&after={after}")).await.is(200).json();
        let mut expected = before.clone();
        expected.iter_mut().for_each(|event| _ = event.as_object_mut().unwrap().remove("data"));
        let expected = if after == "0" { &expected[..] } else { &expected[1..] };
        assert_eq!(page["items"].as_array().unwrap(), expected);
    }
}

#[tokio::test]
async fn the_feed_of_a_job_outlives_it() {
    let server = TestServer::new().await;
    let made = path(&server.submit(json!({"kind": "k"})).await);
    let chosen = format!("/jobs/{}", uuid::Uuid::nil());
    send(server.ask(Method::PUT, &chosen).json(&json!({"kind": "k"}))).await.is(201);
    for job in [made, chosen] {
        server.complete("k", json!(1)).await;
        let of_job = format!("/events?job={}&after=0", job.strip_prefix("/jobs/").unwrap());
        assert_eq!(server.get(&of_job).await.is(200).json()["items"].as_array().unwrap().len(), 3);
        send(server.ask(Method::DELETE, &job)).await.is(204);
        server.get(&job).await.is(410);
        let events = server.get(&of_job).await.is(200).json();
        let events = events["items"].as_array().unwrap();
        assert_eq!(events.len(), 3, "{events:?}");
        assert!(
            events.iter().all(|event| path(&json!({"id": event["job"]})) == job && event.get("data").is_none()),
            "{events:?}"
        );
    }
    server.get("/events?job=0193a7a0-0000-7000-8000-000000000000&after=0").await.is(404);
}

#[tokio::test]
async fn a_trimmed_feed_is_read_from_its_oldest_event_on() {
    let server = TestServer::on(|_| {}, |store| store.feed.keep = 0).await;
    let stays = server.submit(json!({"kind": "stays"})).await;
    let goes = path(&server.submit(json!({"kind": "k"})).await);
    let first = server.get("/events?after=0").await.json()["items"][0]["cursor"].clone();
    server.complete("k", json!(1)).await;
    send(server.ask(Method::DELETE, &goes)).await.is(204);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let expired = loop {
        let page = server.get(&format!("/events?wait=1s&kind=nobodys&after={}", text(&first))).await;
        if page.status != 200 {
            break page;
        }
        assert!(tokio::time::Instant::now() < deadline, "the feed is not trimmed");
    };
    assert_eq!(expired.is(410).slug(), "cursor-expired");
    let oldest = server.get("/events?after=0&kind=stays").await.is(200).json();
    assert_eq!(oldest["items"][0]["job"], stays["id"]);
    let later = server.submit(json!({"kind": "later"})).await;
    let page = server.get(&format!("/events?after={}", text(&oldest["next_after"]))).await.is(200).json();
    assert_eq!(page["items"][0]["job"], later["id"]);
}

#[tokio::test]
async fn a_large_event_is_the_same_on_every_transport() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let lease = server.lease("k").await;
    let fail = json!({"error": {"detail": "\u{1}x".repeat(30_000)}, "retryable": false});
    server.post(&format!("/leases/{}/fail", text(&lease["lease"])), fail).await.is(200);
    let events = format!("{job}/events");
    let page = server.get(&events).await.is(200).json();
    let polled = page["items"].as_array().unwrap();
    assert_eq!(text(&polled[2]["data"]["problem"]["detail"]).len(), 60_000);
    let streamed = send(sse(&server, &format!("{events}?after=0"), None)).await;
    let streamed = frames(&streamed.text());
    let streamed: Vec<Value> = streamed.iter().map(|frame| serde_json::from_str(&frame.data).unwrap()).collect();
    assert_eq!(&streamed, polled);
    assert_eq!(&websocket(&server, &format!("{events}?after=0")).await, polled);
}

#[tokio::test]
async fn every_transport_is_live() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let events = format!("{job}/events");
    let streaming = send(sse(&server, &events, None));
    let socket = websocket(&server, &events);
    let polling = async {
        let (mut seen, mut after) = (Vec::new(), 1);
        loop {
            let page = server.get(&format!("{events}?after={after}&wait=30s")).await.is(200).json();
            seen.extend(page["items"].as_array().unwrap().iter().cloned());
            after = page["next_after"].as_u64().unwrap();
            if page["done"] == true {
                return seen;
            }
        }
    };
    let feed = async {
        let (mut seen, mut after) = (Vec::new(), "0".to_owned());
        while seen.len() < 3 {
            let page = server.get(&format!("/events?kind=k&after={after}&wait=30s")).await.is(200).json();
            seen.extend(page["items"].as_array().unwrap().iter().cloned());
            after = text(&page["next_after"]).to_owned();
        }
        seen
    };
    let working = server.complete("k", json!(1));
    let (streamed, socket, polled, feed, _) = tokio::join!(streaming, socket, polling, feed, working);
    let numbers = |events: &[Value]| events.iter().map(|event| event["seq"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!(numbers(&polled), [2, 3]);
    assert_eq!(numbers(&feed), [1, 2, 3]);
    let streamed = frames(&streamed.text());
    // A snapshot, then what follows its number, without a hole.
    assert_eq!(streamed[0].name, "snapshot");
    let first: u64 = streamed[0].id.parse().unwrap();
    let ids: Vec<u64> = streamed.iter().map(|frame| frame.id.parse().unwrap()).collect();
    assert_eq!(ids, (first..=3).collect::<Vec<_>>());
    let snapshot: Value = serde_json::from_str(&streamed[0].data).unwrap();
    assert_eq!((path(&snapshot), &snapshot["seq"]), (job.clone(), &json!(first)));
    assert_eq!(socket[0]["type"], "snapshot");
    assert_eq!(numbers(&socket), (socket[0]["seq"].as_u64().unwrap()..=3).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_goes_on_where_it_was() {
    let server = TestServer::new().await;
    let job = life(&server).await;
    let events = format!("{job}/events");
    let ids = async |last: Option<&str>, query: &str| {
        let reply = send(sse(&server, &format!("{events}{query}"), last)).await;
        let frames = frames(&reply.text());
        (reply.status, frames.iter().map(|frame| format!("{}{}", frame.name, frame.id)).collect::<Vec<_>>())
    };
    assert_eq!(ids(None, "").await, (200, vec!["snapshot6".to_owned()]), "the first look at a finished job");
    assert_eq!(ids(Some("6"), "").await, (204, vec![]), "it has seen the final event");
    assert_eq!(ids(Some("4"), "").await, (200, vec!["5".to_owned(), "6".to_owned()]));
    assert_eq!(ids(Some("4"), "?after=0").await.1, ["5", "6"], "the header wins: it is what a reconnect sends");
    assert_eq!(ids(None, "?after=5").await.1, ["6"]);
    for malformed in ["abc", "99", "-1", "1.5", ""] {
        assert_eq!(ids(Some(malformed), "").await, (200, vec!["reset6".to_owned()]), "{malformed}");
    }
    assert_eq!(server.get(&format!("{events}?after=x")).await.is(400).slug(), "invalid-cursor");
    assert_eq!(
        send(server.ask(Method::GET, &events).header("accept", "image/png")).await.is(406).slug(),
        "not-acceptable"
    );
    send(sse(&server, "/jobs/0193a7a0-0000-7000-8000-000000000000/events", None)).await.is(404);
}

#[tokio::test]
async fn the_whole_feed_by_stream() {
    let server = TestServer::new().await;
    life(&server).await;
    let mut live = sse(&server, "/events?after=0&state=running", None).send().await.unwrap().bytes_stream();
    let mut seen = String::new();
    while frames(&seen).len() < 3 {
        seen += std::str::from_utf8(&live.next().await.unwrap().unwrap()).unwrap();
    }
    let all = frames(&seen);
    let types: Vec<Value> =
        all.iter().map(|frame| serde_json::from_str::<Value>(&frame.data).unwrap()["type"].clone()).collect();
    assert_eq!(types, [json!("started"), json!("progress"), json!("started")]);
    let mut again = sse(&server, "/events?state=running", Some(&all[1].id)).send().await.unwrap().bytes_stream();
    let mut rest = String::new();
    while frames(&rest).is_empty() {
        rest += std::str::from_utf8(&again.next().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(frames(&rest)[0], all[2]);
    let mut reset = sse(&server, "/events", Some("abc")).send().await.unwrap().bytes_stream();
    let mut first = String::new();
    while frames(&first).is_empty() {
        first += std::str::from_utf8(&reset.next().await.unwrap().unwrap()).unwrap();
    }
    assert_eq!(frames(&first)[0].name, "reset");
    for bad in ["after=abc", "after=1"] {
        assert_eq!(server.get(&format!("/events?{bad}")).await.is(400).slug(), "invalid-cursor");
    }
    server.get("/events?job=abc").await.is(400);
    server.get("/events?job=0193a7a0-0000-7000-8000-000000000000").await.is(404);
    let purged = server.get("/jobs?limit=1").await.json()["items"][0].clone();
    let cursor = text(&server.get("/events?after=0").await.json()["items"][0]["cursor"]).to_owned();
    send(server.ask(Method::DELETE, &path(&purged))).await.is(204);
    let behind = server.get(&format!("/events?after={cursor}")).await.is(200).json();
    assert_eq!(behind["items"].as_array().unwrap().len(), 5, "nobody who is behind misses anything");
    let later = server.submit(json!({"kind": "k"})).await;
    let kept = server.get("/events?after=0").await.is(200).json();
    assert_eq!(kept["items"].as_array().unwrap().last().unwrap()["job"], later["id"]);
    server.get(&format!("/events?after={}", text(&kept["next_after"]))).await.is(200);
    let now = server.get("/events").await.is(200).json();
    assert_eq!((&now["items"], &now["done"]), (&json!([]), &json!(false)));
}

#[tokio::test]
async fn websocket_handshakes() {
    let server = TestServer::new().await;
    let job = server.job().await;
    let url = format!("{}{job}/events", server.url.replace("http://", "ws://"));
    let status = async |change: &dyn Fn(&mut reqwest::header::HeaderMap)| {
        let mut request = url.clone().into_client_request().unwrap();
        change(request.headers_mut());
        match connect_async(request).await {
            Err(Error::Http(answer)) => answer.status().as_u16(),
            Ok(_) => 101,
            Err(error) => panic!("{error}"),
        }
    };
    let set = |name: &'static str, value: &'static str| {
        move |headers: &mut reqwest::header::HeaderMap| {
            headers.insert(name, value.parse().unwrap());
        }
    };
    assert_eq!(status(&|_| ()).await, 101);
    assert_eq!(status(&set("origin", "http://evil.test")).await, 403);
    assert_eq!(status(&set("sec-fetch-site", "cross-site")).await, 403);
    assert_eq!(status(&set("host", "evil.test")).await, 421);
    assert_eq!(status(&set("sec-websocket-protocol", "graphql-ws")).await, 400);
    let old = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 8\r\n\r\n";
    let answer = server.raw(format!("GET {job}/events HTTP/1.1\r\n{old}").as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 426") && answer.to_lowercase().contains("sec-websocket-version: 13"),
        "{answer}"
    );
    // It has nothing to say.
    let (mut socket, _) = connect_async(url.clone()).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    let close = loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            _ => continue,
        }
    };
    assert_eq!(u16::from(close.code), 1008);
}

/// Far behind, and with much before it that does not pass: what passes comes, however long it is waited for.
#[tokio::test]
async fn a_poll_passes_over_much_and_misses_nothing() {
    let server = TestServer::new().await;
    for kind in ["a", "a", "a", "a", "a", "a", "b"] {
        let jobs = vec![json!({"kind": kind}); if kind == "a" { 1_000 } else { 1 }];
        server.post("/jobs/batch", json!({"jobs": jobs})).await.is(202);
    }
    let (mut after, mut kinds) = ("0".to_owned(), Vec::new());
    for _ in 0..4 {
        let page = server.get(&format!("/events?kind=b&after={after}&wait=1s")).await.is(200).json();
        kinds.extend(page["items"].as_array().unwrap().iter().map(|event| text(&event["kind"]).to_owned()));
        after = text(&page["next_after"]).to_owned();
    }
    assert_eq!(kinds, ["b"]);
}

/// What patterns of queues and kinds pass is the same in all three forms, told from the store or as it happens.
#[tokio::test]
async fn patterns_pass_the_same_by_every_transport() {
    let server = TestServer::new().await;
    let submit = async |queue: &str, kind: &str| server.submit(json!({"kind": kind, "queue": queue})).await;
    let kinds =
        |events: &[Value]| -> Vec<String> { events.iter().map(|event| text(&event["kind"]).to_owned()).collect() };
    for (queue, kind) in [("shop.a", "mail.send"), ("shop.b", "sms"), ("other", "mail.send"), ("shop.b", "late")] {
        submit(queue, kind).await;
    }
    let path = "/events?after=0&queue=shop.*&kind=mail.*,*te";
    let page = server.get(path).await.is(200).json();
    assert_eq!(kinds(page["items"].as_array().unwrap()), ["mail.send", "late"]);
    let stream = sse(&server, path, None).send().await.unwrap();
    let mut pieces = stream.bytes_stream();
    let url = format!("{}{path}", server.url.replace("http://", "ws://"));
    let (mut socket, _) = connect_async(url).await.unwrap();
    let (mut said, mut heard) = (String::new(), Vec::new());
    for (made, expected) in [("", &["mail.send", "late"][..]), ("mail.read", &["mail.send", "late", "mail.read"])] {
        if !made.is_empty() {
            submit("shop.c", "sms").await;
            submit("shop.c", made).await;
        }
        let told = |said: &str| -> Vec<Value> {
            let data = said.lines().filter_map(|line| line.strip_prefix("data: "));
            let events = data.filter_map(|line| serde_json::from_str(line).ok());
            events.filter(|event: &Value| event["seq"].is_u64()).collect()
        };
        while told(&said).len() < expected.len() {
            let piece = tokio::time::timeout(Duration::from_secs(60), pieces.next()).await.expect("an event");
            said.push_str(std::str::from_utf8(&piece.unwrap().unwrap()).unwrap());
        }
        assert_eq!(kinds(&told(&said)), expected);
        while heard.len() < expected.len() {
            let frame = tokio::time::timeout(Duration::from_secs(60), socket.next()).await.expect("an event");
            if let Message::Text(frame) = frame.unwrap().unwrap() {
                heard.push(serde_json::from_str(&frame).unwrap());
            }
        }
        assert_eq!(kinds(&heard), expected);
    }
}
