//! The bytes that a run streams or logs, followed live and continued after a broken connection.

use bytes::Bytes;
use raincheck_worker::Backoff;
use reqwest::{Method, StatusCode};

use super::{
    Client,
    call::{Answer, encode, with_query},
};
use crate::Error;

/// Some bytes and where they belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The attempt that wrote them; when it rises, the stream started over. 0 where attempts are not told apart.
    pub attempt: u32,
    /// Their place within that attempt, in bytes.
    pub offset: u64,
    /// What was written, as it was.
    pub bytes: Bytes,
}

/// A job's stream or log in the reading.
pub struct ByteFeed {
    client: Client,
    path: String,
    attempt: u32,
    offset: u64,
    follow: bool,
    content_type: Option<String>,
    response: Option<reqwest::Response>,
    backoff: Backoff,
    over: bool,
}

impl Client {
    /// What the run streams to its caller, of the latest attempt and from `offset` on; with `follow` until it ends.
    #[must_use]
    pub fn stream(&self, id: &str, offset: u64, follow: bool) -> ByteFeed {
        ByteFeed::new(self, format!("/jobs/{}/stream", encode(id)), offset, follow)
    }

    /// What the runs wrote for operators, all attempts; with `follow` until the job is done.
    #[must_use]
    pub fn log(&self, id: &str, offset: u64, follow: bool) -> ByteFeed {
        ByteFeed::new(self, format!("/jobs/{}/log", encode(id)), offset, follow)
    }
}

impl ByteFeed {
    fn new(client: &Client, path: String, offset: u64, follow: bool) -> Self {
        Self {
            client: client.clone(),
            path,
            attempt: 0,
            offset,
            follow,
            content_type: None,
            response: None,
            backoff: Backoff::default(),
            over: false,
        }
    }

    /// The media type, once the first bytes are there.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Where it can be continued: the attempt, and the offset within it.
    #[must_use]
    pub fn position(&self) -> (u32, u64) {
        (self.attempt, self.offset)
    }

    /// The next bytes, or `None` at the end. A server that is away is waited for.
    ///
    /// # Errors
    /// What the server refuses: 404, 406, 410.
    pub async fn next(&mut self) -> Result<Option<Chunk>, Error> {
        while !self.over {
            let Some(response) = &mut self.response else {
                self.open().await?;
                continue;
            };
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    self.backoff.reset();
                    let chunk = Chunk { attempt: self.attempt, offset: self.offset, bytes };
                    self.offset += chunk.bytes.len() as u64;
                    return Ok(Some(chunk));
                }
                Ok(None) if !self.follow => self.over = true,
                // The server ends a followed stream when the run ends or when it restarts: asking again tells which.
                _ => {
                    self.response = None;
                    tokio::time::sleep(self.backoff.next_pause()).await;
                }
            }
        }
        Ok(None)
    }

    async fn open(&mut self) -> Result<(), Error> {
        let mut query = vec![("offset".to_owned(), self.offset.to_string())];
        if self.follow {
            query.push(("follow".into(), "true".into()));
        }
        match self.client.call(Method::GET, &with_query(&self.path, &query)).open().await {
            Ok((response, _)) if response.status() == StatusCode::NO_CONTENT => self.over = true,
            Ok((response, _))
                if response.status() == StatusCode::OK || response.status() == StatusCode::PARTIAL_CONTENT =>
            {
                let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
                let attempt = text("raincheck-attempt").and_then(|attempt| attempt.parse().ok()).unwrap_or(0);
                self.content_type = text("content-type").map(str::to_owned);
                if self.attempt != 0 && attempt > self.attempt {
                    // Another attempt: its bytes start over, and so does the offset.
                    (self.attempt, self.offset) = (attempt, 0);
                    return Ok(());
                }
                self.attempt = attempt.max(self.attempt);
                self.response = Some(response);
            }
            Ok((response, url)) => match Answer::read(response, url).await?.accepted() {
                // 202: nothing written yet.
                Ok(_) if self.follow => tokio::time::sleep(self.backoff.next_pause()).await,
                Ok(_) => self.over = true,
                Err(error) if error.is_transient() => self.pause(&error).await,
                // Where the bytes end exactly at the offset.
                Err(error) if error.status() == Some(416) => self.over = true,
                Err(error) => return Err(error),
            },
            Err(error) if error.is_transient() => self.pause(&error).await,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn pause(&mut self, error: &Error) {
        self.client.shared.outages.waits(error);
        self.backoff.pause(error).await;
    }
}
