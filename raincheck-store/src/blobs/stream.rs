//! Bytes as they come, and work that waits for a disk.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

/// The bytes of a payload as they come.
pub type BlobStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Work with files, off the threads that everybody waits for.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
