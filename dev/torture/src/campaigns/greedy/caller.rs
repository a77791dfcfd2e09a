//! Somebody who speaks HTTP by hand, and not politely.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Nothing here takes longer, or the server hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Knows where the server is.
#[derive(Clone, Copy)]
pub struct Caller {
    pub address: SocketAddr,
}

impl Caller {
    /// Of a server.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self { address: url.trim_start_matches("http://").parse()? })
    }

    /// A connection on which these bytes were sent, as far as the server took them.
    pub async fn open(self, bytes: &[u8]) -> Result<TcpStream> {
        let mut stream = TcpStream::connect(self.address).await.context("connect")?;
        // Refused in the middle of it is an answer, too.
        let _ = tokio::time::timeout(PATIENCE, stream.write_all(bytes)).await.context("nobody reads")?;
        Ok(stream)
    }

    /// The answer to a request, whole; empty when the connection broke.
    pub async fn raw(self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut stream = self.open(bytes).await?;
        let mut answer = Vec::new();
        // A reset after an answer that was not waited for is as good as its end.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.context("no answer")?;
        Ok(answer)
    }

    /// The status of the answer to a POST of JSON; 0 when the connection broke.
    pub async fn post(self, path: &str, body: &[u8]) -> Result<u16> {
        Ok(status(&self.raw(&post(path, body)).await?))
    }

    /// What is answered to a POST of JSON that must succeed.
    pub async fn done(self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.raw(&post(path, body.to_string().as_bytes())).await?;
        let text = String::from_utf8_lossy(&answer);
        ensure!((200..300).contains(&status(&answer)), "POST {path}: {}", text.chars().take(300).collect::<String>());
        let (_, body) = text.split_once("\r\n\r\n").context("no body")?;
        serde_json::from_str(body).with_context(|| format!("POST {path}"))
    }

    /// The same POST so often at once; fails unless each is answered with one of these statuses.
    pub async fn at_once(self, count: usize, path: &'static str, body: Bytes, allowed: &[u16]) -> Result<()> {
        let mut all = JoinSet::new();
        for _ in 0..count {
            let body = body.clone();
            all.spawn(async move { self.post(path, &body).await });
        }
        while let Some(status) = all.join_next().await {
            let status = status??;
            ensure!(allowed.contains(&status), "answered {status}");
        }
        Ok(())
    }

    /// So many connections on which the same bytes were sent, all open at once, held for a while.
    pub async fn hold(self, count: usize, bytes: Bytes, length: Duration) -> Result<()> {
        let mut all = JoinSet::new();
        for _ in 0..count {
            let bytes = bytes.clone();
            all.spawn(async move { self.open(&bytes).await });
        }
        let mut open = Vec::with_capacity(count);
        while let Some(stream) = all.join_next().await {
            open.push(stream??);
        }
        tokio::time::sleep(length).await;
        Ok(())
    }
}

/// A POST of JSON, as bytes.
pub fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A GET, as bytes.
pub fn get(path: &str, more: &str) -> Bytes {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n").into()
}

/// The status of an answer; 0 where there is none.
fn status(answer: &[u8]) -> u16 {
    let text = answer.get(9..12).and_then(|text| std::str::from_utf8(text).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}
