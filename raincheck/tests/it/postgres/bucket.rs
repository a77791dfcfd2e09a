//! A server whose large payloads are in S3-compatible storage.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode};
use s3server::{ACCESS_KEY_ID, BUCKET, S3Server, SECRET_ACCESS_KEY};
use serde_json::{Value, json};

use super::{Node, TestSite, read};
use crate::cli::{command, said};
use crate::server::{Server, until};

/// More than goes into the database, and than is sent to the storage in one piece.
const SIZE: usize = 9 << 20;

/// A node that was told by its settings file where its payloads are.
fn node(site: &TestSite, storage: &S3Server) -> Node {
    std::fs::write(site.path().join("secret"), SECRET_ACCESS_KEY).unwrap();
    let settings = format!(
        "[store]\nurl = \"{}\"\nblobs = \"s3://{BUCKET}/wire\"\ns3.endpoint = \"{}\"\ns3.region = \"us-east-1\"\n\
         s3.access_key_id = \"{ACCESS_KEY_ID}\"\ns3.secret_access_key = \"file:secret\"\n",
        site.database.url(),
        storage.endpoint()
    );
    std::fs::write(site.path().join("raincheck.toml"), settings).unwrap();
    Node { server: Server::start(site.path(), &[]), http: reqwest::Client::new() }
}

fn clip(seed: u32) -> Vec<u8> {
    (0..SIZE as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 7).wrapping_add(seed) as u8).collect()
}

async fn bytes(request: RequestBuilder) -> (StatusCode, Vec<u8>) {
    let answer = request.send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap().to_vec())
}

impl Node {
    fn upload(&self, path: &str, body: Vec<u8>) -> RequestBuilder {
        self.ask(Method::POST, path).header("content-type", "video/mp4").body(body)
    }
}

/// Objects but the mark of whose they are.
fn payloads(storage: &S3Server) -> usize {
    storage.keys("").unwrap().iter().filter(|key| *key != "wire/store-id").count()
}

fn path(job: &Value) -> String {
    format!("/jobs/{}", job["id"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_inputs_and_results_go_in_and_out() {
    let (site, storage) = (TestSite::new(), S3Server::start().unwrap());
    let node = node(&site, &storage);
    let (input, output) = (clip(1), clip(2));
    let (status, job) = read(node.upload("/kinds/k/jobs", input.clone())).await;
    assert_eq!(status, 202, "{job}");
    assert_eq!(payloads(&storage), 1);
    let lease = node.lease().await;
    let run = format!("/leases/{}", lease["lease"].as_str().unwrap());
    let asked = bytes(node.ask(Method::GET, &format!("{run}/input"))).await;
    assert!(asked == (StatusCode::OK, input.clone()));
    assert_eq!(read(node.upload(&format!("{run}/complete"), output.clone())).await.0, 200);
    let result = format!("{}/result", path(&job));
    assert!(bytes(node.ask(Method::GET, &result)).await == (StatusCode::OK, output.clone()));
    for (from, to) in [(0, 0), (5_242_879, 5_242_880), (SIZE - 5, SIZE - 1)] {
        let part = node.ask(Method::GET, &result).header("range", format!("bytes={from}-{to}"));
        assert!(bytes(part).await == (StatusCode::PARTIAL_CONTENT, output[from..=to].to_vec()), "{from}-{to}");
    }
    assert_eq!(bytes(node.ask(Method::GET, &result).header("range", "bytes=99999999-")).await.0, 416);

    // One that runs again has an input of its own.
    let (status, again) = node.post(&format!("{}/rerun?force=true", path(&job)), json!({})).await;
    assert_eq!(status, 202, "{again}");
    assert_eq!(bytes(node.ask(Method::DELETE, &path(&job))).await.0, 204);
    assert_eq!(payloads(&storage), 1, "input and result of the first are gone");
    let lease = node.lease().await;
    assert_eq!(lease["job"]["id"], again["id"]);
    let run = format!("/leases/{}", lease["lease"].as_str().unwrap());
    assert!(bytes(node.ask(Method::GET, &format!("{run}/input"))).await == (StatusCode::OK, input));
    assert!(!site.path().join("data").exists(), "there is no folder for what is in a bucket");

    let shown = said(command(site.path(), &["config", "show"]), None).well();
    assert!(shown.contains("s3.secret_access_key = ") && !shown.contains(SECRET_ACCESS_KEY), "{shown}");
    let doctor = said(command(site.path(), &["doctor"]), None);
    let files = doctor.out.lines().find(|line| line.contains("every payload is there in full")).unwrap_or_default();
    assert!(files.contains("ok"), "{doctor:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_storage_is_away_what_needs_it_gets_503_and_nothing_is_lost() {
    let (site, storage) = (TestSite::new(), S3Server::start().unwrap());
    let node = node(&site, &storage);
    let (input, output) = (clip(1), clip(2));
    let (_, job) = read(node.upload("/kinds/k/jobs", input.clone())).await;
    let lease = node.lease().await;
    let run = format!("/leases/{}", lease["lease"].as_str().unwrap());
    storage.set_up(false);
    let (submitted, completed, read_now) = tokio::join!(
        read(node.upload("/kinds/k/jobs", input.clone())),
        read(node.upload(&format!("{run}/complete"), output.clone())),
        read(node.ask(Method::GET, &format!("{run}/input")))
    );
    for (status, problem) in [submitted, completed, read_now] {
        assert_eq!((status.as_u16(), &problem["type"]), (503, &"/problems/store-unavailable".into()), "{problem}");
    }
    // What does not need it goes on.
    let small = node.submit().await;
    assert_eq!(node.state(&small).await, "queued");
    let (_, page) = node.get("/jobs").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2, "what was refused is not there: {page}");
    storage.set_up(true);
    assert!(bytes(node.ask(Method::GET, &format!("{run}/input"))).await == (StatusCode::OK, input));
    let (status, done) = read(node.upload(&format!("{run}/complete"), output.clone())).await;
    assert_eq!((status.as_u16(), &done["state"]), (200, &"succeeded".into()), "{done}");
    assert!(bytes(node.ask(Method::GET, &format!("{}/result", path(&job)))).await.1 == output);
    until("nothing is left of what was refused", Duration::from_secs(20), async || {
        payloads(&storage) == 2 && storage.parts().unwrap() == 0
    })
    .await;
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_refused_with_the_next_step() {
    let site = TestSite::new();
    let mut serve = command(site.path(), &["serve", "--listen", "127.0.0.1:0", "--store", &site.database.url()]);
    serve.env("RAINCHECK_STORE__BLOBS", "s3://no-such-bucket").env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1");
    serve.env("AWS_ACCESS_KEY_ID", "id").env("AWS_SECRET_ACCESS_KEY", "s3cret");
    let refused = said(serve, None).with(1).err;
    assert!(refused.contains("cannot use s3://no-such-bucket: ") && refused.contains("postgresql.md"), "{refused}");
    assert!(!refused.contains("s3cret"), "{refused}");
}
