//! One submit sent by 64 clients at once: one job, and all are told of it.

use std::collections::HashSet;

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::campaign::{Order, runtime};
use crate::http::{Answer, Broken, Http};
use crate::tally::Tally;
use crate::test_server::TestServer;
use crate::wire::{Batch, Job};

/// Clients that send the same.
const COPIES: usize = 64;

/// A request that names its jobs, by key, by id or by request id.
#[derive(Clone)]
struct Request {
    method: Method,
    path: String,
    media: &'static str,
    body: String,
}

/// One loop is one key.
pub fn run(order: &Order) -> Result<Tally> {
    runtime()?.block_on(campaign(order))
}

async fn campaign(order: &Order) -> Result<Tally> {
    let test = TestServer::new(order.name, "")?;
    let mut rng = StdRng::seed_from_u64(order.seed);
    let mut tally = Tally { loops: order.loops.into(), ..Tally::default() };
    for number in 0..order.loops {
        let name = Uuid::from_u128(rng.random());
        let answers = all_at_once(&test.http, &request(number, name, "one")).await?;
        let ids: HashSet<Vec<Uuid>> = answers.iter().map(ids).collect::<Result<_>>()?;
        if ids.len() != 1 {
            tally.doubled += 1;
            test.log.complain("doubled", format!("{COPIES} times {name} made {} jobs", ids.len()));
        }
        tally.submits += answers.len() as u64;
        let other = send(&test.http, request(number, name, "another")).await?;
        if other.status != 409 && other.status != 422 {
            test.log.complain("answer", format!("{name} with another input: {} {}", other.status, other.text()));
        }
        tally.refused += 1;
    }
    let queued = test.queue("default").await?.queued;
    let expected: u64 = (0..order.loops).map(jobs).sum();
    if queued != expected {
        test.log.complain("doubled", format!("{} names, {queued} jobs where {expected} belong", order.loops));
    }
    test.close(tally)
}

/// How many jobs request `number` asks for.
fn jobs(number: u32) -> u64 {
    if number % 4 == 3 { 5 } else { 1 }
}

/// The jobs of an answer.
fn ids(answer: &Answer) -> Result<Vec<Uuid>> {
    match answer.json::<Batch>() {
        Ok(batch) => Ok(batch.jobs.iter().map(|job| job.id).collect()),
        Err(_) => Ok(vec![answer.json::<Job>()?.id]),
    }
}

fn request(number: u32, name: Uuid, input: &str) -> Request {
    let (method, path, media, body) = match number % 4 {
        0 => {
            let body = json!({"kind": "k", "key": name, "input": input}).to_string();
            (Method::POST, "/jobs".to_owned(), "application/json", body)
        }
        1 => {
            let body = json!({"kind": "k", "input": input}).to_string();
            (Method::PUT, format!("/jobs/{name}"), "application/json", body)
        }
        3 => {
            let jobs: Vec<_> = (0..jobs(number)).map(|place| json!({"kind": "k", "input": [place, input]})).collect();
            let body = json!({"jobs": jobs, "request_id": name}).to_string();
            (Method::POST, "/jobs/batch".to_owned(), "application/json", body)
        }
        _ => (Method::POST, format!("/kinds/k/jobs?key={name}"), "text/plain", input.to_owned()),
    };
    Request { method, path, media, body }
}

async fn send(http: &Http, request: Request) -> Result<Answer> {
    let Request { method, path, media, body } = request;
    match http.send(method, &path, media, body.into_bytes()).await {
        Ok(answer) => Ok(answer),
        Err(Broken) => bail!("the connection broke at {path}"),
    }
}

async fn all_at_once(http: &Http, request: &Request) -> Result<Vec<Answer>> {
    let mut copies = JoinSet::new();
    for _ in 0..COPIES {
        let (http, request) = (http.clone(), request.clone());
        copies.spawn(async move { send(&http, request).await });
    }
    let answers: Vec<Answer> = copies.join_all().await.into_iter().collect::<Result<_>>()?;
    match answers.iter().find(|answer| !answer.is_success()) {
        Some(refused) => Err(anyhow::anyhow!("{} {}", refused.status, refused.text())).context("a copy was refused"),
        None => Ok(answers),
    }
}
