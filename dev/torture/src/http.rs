//! A client that outlives the server: it waits while there is none, and says so when a connection breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::log::Log;
use crate::wire::Problem;

/// A request that takes longer hangs; nothing here asks the server to wait for more than a few seconds.
const HANGS: Duration = Duration::from_secs(30);
/// Between a broken connection and the next try.
const PAUSE: Duration = Duration::from_millis(10);

/// Where the servers are; nowhere while none is up.
pub type Place = watch::Receiver<Vec<Arc<str>>>;

/// The client of one actor.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    place: Place,
    turn: Arc<AtomicUsize>,
    log: Arc<Log>,
}

/// What the server said.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// The connection broke: what was asked may have been done or not.
#[derive(Debug)]
pub struct Broken;

impl Http {
    /// For the servers that `place` tells of: each request goes to the next of them.
    pub fn new(place: Place, log: Arc<Log>) -> Result<Self> {
        let client = reqwest::Client::builder().timeout(HANGS).no_proxy().build()?;
        Ok(Self { client, place, turn: Arc::default(), log })
    }

    /// Sends one request, once there is a server.
    pub async fn send(&self, method: Method, path: &str, media: &str, body: Vec<u8>) -> Result<Answer, Broken> {
        let url = format!("{}{path}", self.base().await?);
        let mut request = self.client.request(method.clone(), &url).body(body);
        if method != Method::GET {
            request = request.header("content-type", media);
        }
        let answered = async {
            let answer = request.send().await?;
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE && !answer.headers().contains_key(RETRY_AFTER) {
                self.log.complain("answer", format!("{method} {path} was answered 503 without Retry-After"));
            }
            Ok::<_, reqwest::Error>(Answer { status: answer.status().as_u16(), body: answer.bytes().await? })
        };
        match answered.await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                if error.is_timeout() {
                    self.log.complain("hang", format!("{method} {path} was not answered within {HANGS:?}"));
                }
                tokio::time::sleep(PAUSE).await;
                Err(Broken)
            }
        }
    }

    /// Where the next server is, once there is one.
    pub async fn base(&self) -> Result<Arc<str>, Broken> {
        let mut place = self.place.clone();
        let there = place.wait_for(|urls| !urls.is_empty()).await.map_err(|_| Broken)?;
        Ok(there[self.turn.fetch_add(1, Ordering::Relaxed) % there.len()].clone())
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Answer, Broken> {
        self.send(Method::GET, path, "", Vec::new()).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Answer, Broken> {
        self.send(Method::POST, path, "application/json", body.to_string().into_bytes()).await
    }

    /// GET of what must be there, while nothing is being broken.
    pub async fn fetch<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.get(path).await.map_err(|Broken| anyhow::anyhow!("GET {path}: the connection broke"))?;
        anyhow::ensure!(answer.status == 200, "GET {path} answered {}: {}", answer.status, answer.text());
        answer.json().with_context(|| format!("GET {path}"))
    }
}

impl Answer {
    /// Whether it is a 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Its body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).with_context(|| format!("not what the API says: {}", self.text()))
    }

    /// The last part of the problem's type; empty when it is none.
    pub fn slug(&self) -> String {
        serde_json::from_slice::<Problem>(&self.body).map_or_else(|_| String::new(), |it| it.slug().to_owned())
    }

    /// The beginning of its body.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(300).collect()
    }
}
