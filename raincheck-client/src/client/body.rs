//! A request body that can be sent more than once where its source allows it.

use std::{path::PathBuf, sync::Mutex};

use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use crate::Error;

/// Bytes to send: at hand, in a file, or from a reader. Only the first two can be sent again after a broken connection.
pub struct Body(pub(super) Source);

pub(super) enum Source {
    Bytes(Bytes),
    File(PathBuf),
    Reader(Mutex<Option<reqwest::Body>>),
}

impl Body {
    /// The content of a file, opened when it is sent and never held in memory.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// What a reader gives until its end; can be sent once.
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        let stream = ReaderStream::with_capacity(reader, 64 * 1024);
        Self(Source::Reader(Mutex::new(Some(reqwest::Body::wrap_stream(stream)))))
    }

    /// The body for one request, and its length where it is known beforehand.
    pub(super) async fn open(&self) -> Result<(reqwest::Body, Option<u64>), Error> {
        match &self.0 {
            Source::Bytes(bytes) => Ok((bytes.clone().into(), None)),
            Source::File(path) => {
                let failed = |source| Error::io(format!("cannot read {}", path.display()), source);
                let file = tokio::fs::File::open(path).await.map_err(failed)?;
                let length = file.metadata().await.map_err(failed)?;
                // A pipe or device says 0 and has more: only a plain file's length is a promise.
                let length = length.is_file().then_some(length.len());
                let stream = ReaderStream::with_capacity(file, 64 * 1024);
                Ok((reqwest::Body::wrap_stream(stream), length))
            }
            Source::Reader(body) => {
                let body = body.lock().map_or(None, |mut body| body.take());
                let gone = || std::io::Error::other("the reader has already been sent");
                body.map(|body| (body, None)).ok_or_else(|| Error::io("cannot send a reader twice", gone()))
            }
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Bytes(bytes.into()))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(Source::Bytes(text.into()))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self(Source::Bytes(Bytes::from_static(text.as_bytes())))
    }
}
