//! A worker process for the campaign that stops it: one job at a time, heartbeats, one line for each step.
//! Told to go by the end of its standard input.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use crate::content::Content;
use crate::wire::{Leases, Problem};

/// The hidden first argument.
pub const ARGUMENT: &str = "__zombie";

/// Works as `name` for the server at `url`.
pub fn main(url: &str, name: &str) -> Result<()> {
    let go = Arc::new(AtomicBool::new(false));
    std::thread::spawn({
        let go = go.clone();
        move || {
            // Whatever ends it, there is nobody left to work for.
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            go.store(true, Relaxed);
        }
    });
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build()?;
        while !go.load(Relaxed) {
            one(&client, url, name).await?;
        }
        Ok(())
    })
}

async fn one(client: &reqwest::Client, url: &str, name: &str) -> Result<()> {
    let ask =
        json!({"worker": {"name": name}, "kinds": ["count", "render", "mail"], "max": 1, "wait": "1s", "ttl": "2s"});
    let body = ask.to_string();
    let answer =
        client.post(format!("{url}/leases")).header(CONTENT_TYPE, "application/json").body(body).send().await?;
    if answer.status() == 204 {
        return Ok(());
    }
    let leases: Leases = serde_json::from_slice(&answer.bytes().await?)?;
    let Some(leased) = leases.leases.first() else { return Ok(()) };
    let (lease, number) = (&leased.lease, u64::from(leased.attempt));
    println!("leased {} {} {lease} {number}", leased.job.id, leased.attempt);
    // Long enough to be stopped in the middle.
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        // A beat that is refused changes nothing here: a zombie does not know that it is one.
        client.post(format!("{url}/leases/{lease}/heartbeat")).send().await.context("heartbeat")?;
    }
    let done = client.post(format!("{url}/leases/{lease}/complete")).header(CONTENT_TYPE, "application/json");
    let done = done.body(Content::Json(0).bytes(number)).send().await.context("complete")?;
    let status = done.status().as_u16();
    match serde_json::from_slice::<Problem>(&done.bytes().await?) {
        Ok(problem) if status != 200 => println!("ended {status} {}", problem.slug()),
        _ => println!("ended {status}"),
    }
    Ok(())
}
