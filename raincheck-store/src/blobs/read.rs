use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use futures_util::{TryStreamExt as _, stream};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;

use super::handle::{Backend, Blobs};
use super::stream::{BlobStream, aside};

/// Read from a file at once.
const CHUNK: usize = 64 << 10;

impl Blobs {
    /// The bytes of a payload from `range.start` up to `range.end`, which do not lie behind its end.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none of that name, [`io::ErrorKind::UnexpectedEof`] when it is shorter.
    pub async fn read(&self, name: &str, range: Range<u64>) -> io::Result<BlobStream> {
        if range.is_empty() {
            return Ok(Box::pin(stream::empty()));
        }
        // Who asked knows the job, and says so.
        self.open_at(name, range).await.inspect_err(|error| {
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) {
                self.add_unreadable();
            }
        })
    }

    async fn open_at(&self, name: &str, range: Range<u64>) -> io::Result<BlobStream> {
        match &self.backend {
            Backend::Folder(folder) => {
                let path = folder.path(name);
                let file = aside(move || {
                    let mut file = std::fs::File::open(path)?;
                    // Before the first byte is on its way: an answer that has begun could only be broken off.
                    if file.metadata()?.len() < range.end {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    file.seek(SeekFrom::Start(range.start))?;
                    Ok(File::from_std(file).take(range.end - range.start))
                });
                Ok(Box::pin(ReaderStream::with_capacity(file.await?, CHUNK)))
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.read(name, range).await,
        }
    }

    /// All bytes of a payload of a size, in memory.
    ///
    /// # Errors
    /// As [`Blobs::read`].
    pub async fn bytes(&self, name: &str, size: u64) -> io::Result<Bytes> {
        let mut pieces = self.read(name, 0..size).await?;
        let mut all = BytesMut::with_capacity(size as usize);
        while let Some(piece) = pieces.try_next().await? {
            all.extend_from_slice(&piece);
        }
        if all.len() as u64 == size { Ok(all.freeze()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Counts a read that turned out to be of other bytes, as its reader found who knows what they should be.
    pub fn add_unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }

    /// How many reads there were of payloads that were not there in full, or were others than were put there.
    pub fn count_unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }
}
