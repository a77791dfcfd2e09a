//! Something that was acknowledged is lost, or never was in this history: every node notices, and nothing of it is used.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use pgcluster::Replication;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{LIMIT, Node, Site, kinds};
use crate::cli::{command, said};
use crate::server::until;

/// Who waits for something is told of it within this, far below what it asked to wait for.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_promotion_has_lost_is_noticed_and_nothing_of_it_is_used() {
    let site = Site::new(Replication::Asynchronous);
    let way = site.way();
    let nodes = [site.node(&way), site.node(&way)];
    let (lost, new) = (kinds("lost"), kinds("new"));
    let kept = nodes[0].submit().await;
    site.hold_back();
    // More of them than a sequence is written down ahead: numbers of these kinds are given again.
    let made = nodes[0].one_of_each(&lost).await;
    let mut watch = nodes[1].watch(&format!("/jobs/{}", made[0])).await;
    let lease = nodes[0].lease_all(&lost[..1], 1).await.remove(0).1;
    // Told of, and not only read: the other node knows.
    watch.until("started").await;
    let (head, count) = nodes[1].head().await;
    assert_eq!(count, 42);
    let mut stream = nodes[1].ask(Method::GET, &format!("/events?after={head}")).header("accept", "text/event-stream");
    stream = stream.timeout(LIMIT);
    let stream = stream.send().await.unwrap();
    let follower = tokio::spawn(follow(&nodes[1], head.clone(), new[39].clone()));
    let worker = tokio::spawn(wait_for_work(&nodes[1], new[39].clone()));

    site.take_over(&way);
    // At once, before anybody may have noticed.
    let (again, fresh) = tokio::join!(nodes[0].one_of_each(&lost), nodes[1].one_of_each(&new));
    let begin = Instant::now();
    until("both notice", LIMIT, async || nodes[0].changes().await > 0 && nodes[1].changes().await > 0).await;
    let report = |what: &str| format!("{what}: {:#?}", nodes[1].server.said());
    let leased = tokio::time::timeout(SOON, worker).await;
    let leased = leased.unwrap_or_else(|_| panic!("{}", report("a waiting worker gets nothing that is new"))).unwrap();
    assert_eq!(leased, fresh[39]);
    let resets = tokio::time::timeout(SOON, follower).await;
    let resets = resets.unwrap_or_else(|_| panic!("{}", report("a follower sees nothing that is new"))).unwrap();
    assert!(resets > 0, "a follower was told nothing");
    let ended = tokio::time::timeout(SOON, ends(stream)).await;
    ended.unwrap_or_else(|_| panic!("{}", report("a stream that has told what is lost goes on")));
    assert!(begin.elapsed() < LIMIT);
    for node in &nodes {
        let lines = node.server.said().into_iter().filter(|line| line.contains("another history"));
        let levels: Vec<Value> =
            lines.map(|line| serde_json::from_str::<Value>(&line).unwrap()["level"].clone()).collect();
        assert!(levels.contains(&json!("error")), "{:#?}", node.server.said());
        node.is_ready().await;
    }

    // Who looks later is told, too.
    let doctor = ["doctor", "--data", "data", "--store", &site.standby.url("postgres")];
    let found = said(command(site.folder.path(), &doctor), None).out;
    assert!(found.contains("has history 2, of timeline 2, since 20"), "{found}");
    assert!(found.contains("events that were acknowledged are not there") && found.contains("remark 1"), "{found}");

    // Every job is of the kind that it was submitted as, whoever is asked, be it one that was not there.
    let third = site.node(&way);
    for node in nodes.iter().chain([&third]) {
        for (kind, id) in lost.iter().zip(&again).chain(new.iter().zip(&fresh)) {
            let (status, job) = node.get(&format!("/jobs/{id}")).await;
            assert!(status.is_success() && job["kind"] == **kind, "{kind}: {job}");
        }
        assert_eq!(node.get("/jobs").await.0, 200);
        assert_eq!(node.state(&kept).await, "queued");
        // The feed has grown past what it was.
        assert!(node.head().await.1 > 42);
        let (status, problem) = node.get(&format!("/events?after={head}")).await;
        assert_eq!((status.as_u16(), &problem["type"]), (410, &"/problems/cursor-expired".into()), "{problem}");
        for verb in ["heartbeat", "complete"] {
            let (status, problem) = node.post(&format!("/leases/{lease}/{verb}"), json!({})).await;
            assert_eq!((status.as_u16(), &problem["type"]), (409, &"/problems/lease-lost".into()), "{problem}");
        }
    }
    let mut got: Vec<String> = nodes[0].lease_all(&new[..39], 39).await.into_iter().map(|(job, _)| job).collect();
    got.sort();
    let mut wanted = fresh[..39].to_vec();
    wanted.sort();
    assert_eq!(got, wanted);
    let mut got: Vec<String> = nodes[1].lease_all(&lost, 40).await.into_iter().map(|(job, _)| job).collect();
    got.sort();
    let mut wanted = again;
    wanted.sort();
    assert_eq!(got, wanted);
}

/// Each node writes to a server of its own, and then one of them is led to where the other has been all along: further
/// than its own had come, or less far.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_left_behind_notices_the_other_history() {
    for (behind, ahead) in [(3, 40), (40, 3)] {
        let site = Site::new(Replication::Asynchronous);
        let (left, right) = (site.way(), site.way());
        let nodes = [site.node(&left), site.node(&right)];
        nodes[0].submit().await;
        nodes[1].submit().await;
        site.hold_back();
        site.standby.promote().unwrap();
        right.lead(site.standby.port());
        right.cut();
        let (old, new) = (kinds("old"), kinds("new"));
        nodes[0].one_of_each(&old[..behind]).await;
        let fresh = nodes[1].one_of_each(&new[..ahead]).await;
        let (head, _) = nodes[0].head().await;
        left.lead(site.standby.port());
        left.cut();
        let again = nodes[0].one_of_each(&old[..behind]).await;
        until("it notices", LIMIT, async || nodes[0].changes().await > 0).await;
        for node in &nodes {
            node.is_ready().await;
            for (kind, id) in old.iter().zip(&again).chain(new.iter().zip(&fresh)) {
                let (status, job) = node.get(&format!("/jobs/{id}")).await;
                assert!(status.is_success() && job["kind"] == **kind, "{behind} {ahead}: {kind}: {job}");
            }
            let (status, problem) = node.get(&format!("/events?after={head}")).await;
            assert_eq!((status.as_u16(), &problem["type"]), (410, &"/problems/cursor-expired".into()), "{problem}");
        }
    }
}

/// Led back to a server that was left, and then to where everything is again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_counted_while_it_is_missing() {
    let site = Site::new(Replication::Asynchronous);
    let way = site.way();
    let node = site.node(&way);
    node.submit().await;
    let made = node.ask(Method::PUT, "/readers/billing").json(&json!({})).send().await.unwrap();
    assert_eq!(made.status(), 201);
    site.hold_back();
    site.standby.promote().unwrap();
    let lead = |port| {
        way.lead(port);
        way.cut();
    };
    lead(site.standby.port());
    node.one_of_each(&kinds("there")[..3]).await;
    assert_eq!((node.changes().await, node.missing().await), (0, 0), "{:#?}", node.server.said());
    let reader = node.get("/readers/billing").await.1;
    assert_eq!(reader["lag_events"], 3, "what was never given out is not waited for: {reader}");
    let events = node.get("/events?reader=billing").await.1;
    let places = events["items"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap());
    let places: Vec<u64> = places.collect();
    assert!(places.len() == 3 && places.iter().all(|place| *place < 1 << 53), "doubles tell them apart: {places:?}");
    lead(site.primary.port());
    until("it notices", LIMIT, async || node.changes().await == 1).await;
    assert_eq!(node.missing().await, 3, "{:#?}", node.server.said());
    let lines = node.server.said().into_iter().find(|line| line.contains("another history: what was")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&lines).unwrap()["events"], 3, "{lines}");
    lead(site.standby.port());
    until("all is there again", LIMIT, async || node.missing().await == 0).await;
    assert_eq!(node.changes().await, 1, "{:#?}", node.server.said());
}

/// However they follow: that what they saw is not there any more, and what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_is_told_that_it_has_seen_what_is_lost() {
    let site = Site::new(Replication::Asynchronous);
    let way = site.way();
    let node = site.node(&way);
    node.submit().await;
    site.hold_back();
    let lost = node.submit().await;
    let id = lost.trim_start_matches("/jobs/");
    let events = Follower::start(&site, &node, &["events", "--follow", "--after", "0", "-o", "jsonl"]);
    let watch = Follower::start(&site, &node, &["watch", id]);
    let address = format!("{}/events?after=0", node.server.url.replace("http", "ws"));
    let (mut socket, _) = tokio_tungstenite::connect_async(address).await.unwrap();
    let feed = |last: Option<String>| {
        let ask = node.ask(Method::GET, "/events?after=0").header("accept", "text/event-stream").timeout(LIMIT);
        last.map(|id| ask.try_clone().unwrap().header("last-event-id", id)).unwrap_or(ask)
    };
    let mut stream = feed(None).send().await.unwrap();
    let mut read = String::new();
    while !read.contains(id) {
        read += std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap();
    }
    while !socket.next().await.unwrap().unwrap().to_text().unwrap().contains(id) {}
    for follower in [&events, &watch] {
        until("it has seen the job", LIMIT, async || follower.said().contains(id)).await;
    }

    site.take_over(&way);
    let (code, said) = events.end();
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("came back without") && said.contains("raincheck events --after 0"), "{said}");
    let (code, said) = watch.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("came back without it") && said.contains("submit it again"), "{said}");
    let close = loop {
        if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
            break frame.unwrap();
        }
    };
    assert_eq!(u16::from(close.code), 4410, "{close}");
    while let Some(bytes) = stream.chunk().await.unwrap() {
        read += std::str::from_utf8(&bytes).unwrap();
    }
    let last = read.lines().filter_map(|line| line.strip_prefix("id: ").or(line.strip_prefix("id:"))).next_back();
    let mut resumed = feed(last.map(str::to_owned)).send().await.unwrap();
    let mut read = String::new();
    while !read.contains("event: reset") {
        read += std::str::from_utf8(&resumed.chunk().await.unwrap().unwrap()).unwrap();
    }
    let (status, problem) = node.get(&format!("/events?after={}", last.unwrap())).await;
    assert_eq!((status.as_u16(), &problem["type"]), (410, &"/problems/cursor-expired".into()), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("came back without"), "{problem}");
}

/// A command that follows.
struct Follower {
    child: std::process::Child,
    said: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
}

impl Follower {
    fn start(site: &Site, node: &Node, arguments: &[&str]) -> Follower {
        let mut command = command(site.folder.path(), arguments);
        let mut child = command.env("RAINCHECK_SERVER", &node.server.url).spawn().unwrap();
        let said = Arc::<Mutex<String>>::default();
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        let readers = pipes.map(|pipe| {
            let said = said.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    *said.lock().unwrap() += &(line + "\n");
                }
            })
        });
        Follower { child, said, readers: readers.into() }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has ended by itself.
    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.readers.into_iter().for_each(|reader| reader.join().unwrap());
        let said = self.said.lock().unwrap().clone();
        (code, said)
    }
}

/// Reads the feed from there on until a job of this kind is made; how often it had to begin again.
fn follow(node: &Node, mut after: String, kind: String) -> impl Future<Output = usize> + use<> {
    let (http, url) = (node.http.clone(), node.server.url.clone());
    async move {
        let mut resets = 0;
        loop {
            let Ok(answer) = http.get(format!("{url}/events?after={after}&wait=20s")).send().await else { continue };
            let (status, page) = (answer.status(), answer.json::<Value>().await.unwrap());
            match status.as_u16() {
                200 => after = page["next_after"].as_str().unwrap().to_owned(),
                410 => (after, resets) = ("0".to_owned(), resets + 1),
                503 => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => panic!("{status} {page}"),
            }
            let events = page["items"].as_array().into_iter().flatten();
            if events.clone().any(|event| event["kind"] == *kind) {
                return resets;
            }
        }
    }
}

/// Asks for work of this kind until it comes; the job.
fn wait_for_work(node: &Node, kind: String) -> impl Future<Output = String> + use<> {
    let (http, url) = (node.http.clone(), node.server.url.clone());
    async move {
        let ask = json!({"worker": {"name": "patient"}, "kinds": [kind], "max": 1, "wait": "60s", "ttl": "60s"});
        loop {
            let Ok(answer) = http.post(format!("{url}/leases")).json(&ask).send().await else { continue };
            match answer.status().as_u16() {
                200 => {
                    let answer = answer.json::<Value>().await.unwrap();
                    return answer["leases"][0]["job"]["id"].as_str().unwrap().to_owned();
                }
                204 | 503 => tokio::time::sleep(Duration::from_millis(50)).await,
                other => panic!("{other}"),
            }
        }
    }
}

/// Reads a stream to its end, however that comes.
async fn ends(stream: reqwest::Response) {
    let mut stream = stream.bytes_stream();
    while stream.next().await.is_some_and(|bytes| bytes.is_ok()) {}
}
