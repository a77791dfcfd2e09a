//! A payload on its way in, piece by piece. No thread is held while the next one is waited for.

use std::io;

use bytes::Bytes;

#[cfg(feature = "s3")]
use super::bucket::Upload;
use super::folder::{BlobFolder, FileWriter};
use super::handle::{Backend, Blobs};
#[cfg(feature = "s3")]
use super::layout::new_name;
use super::room::{BlobUse, Promise};
use super::stream::aside;
use super::unclaimed::Unclaimed;

/// The payload. Dropping it without [`Arrival::finish`] removes what was written, also while a piece is being written.
#[derive(Debug)]
pub struct Arrival {
    blobs: Blobs,
    /// `None` after a piece that could not be written, or was not waited for.
    sink: Option<Sink>,
    size: u64,
}

#[derive(Debug)]
enum Sink {
    File(FileWriter, BlobFolder, Promise),
    #[cfg(feature = "s3")]
    Object(Upload),
}

impl Blobs {
    /// Begins a payload of which so many bytes are announced, perhaps none.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when they would take from what is to stay free, [`io::ErrorKind::QuotaExceeded`] when
    /// the uploads to a bucket hold too much memory already.
    pub async fn begin(&self, of: BlobUse, announced: u64) -> io::Result<Arrival> {
        let sink = match &self.backend {
            Backend::Folder(folder) => {
                let (folder, room) = (folder.clone(), self.room.clone());
                aside(move || {
                    let promise = room.promise(&folder, of, announced)?;
                    Ok(Sink::File(folder.create()?, folder, promise))
                })
                .await?
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => {
                let mut upload = Upload::new(bucket.clone(), new_name(), Some(self.memory.none(of)));
                upload.expect(announced)?;
                Sink::Object(upload)
            }
        };
        Ok(Arrival { blobs: self.clone(), sink: Some(sink), size: 0 })
    }

    /// Keeps bytes that are in memory.
    ///
    /// # Errors
    /// As [`Blobs::begin`].
    pub async fn hold(&self, of: BlobUse, bytes: Bytes) -> io::Result<Unclaimed> {
        let mut arrival = self.begin(of, bytes.len() as u64).await?;
        arrival.write(bytes).await?;
        arrival.finish().await
    }

    /// Keeps bytes that are in memory, for good; answers their name.
    pub async fn keep(&self, bytes: Bytes) -> io::Result<Box<str>> {
        self.hold(BlobUse::Input, bytes).await.map(Unclaimed::claim)
    }
}

impl Arrival {
    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// As [`Blobs::begin`], where more comes than was announced. After an error nothing more is taken.
    pub async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        let size = bytes.len() as u64;
        let sink = match self.sink.take().ok_or_else(broken)? {
            Sink::File(mut file, folder, mut promise) => {
                aside(move || {
                    promise.take(&folder, size)?;
                    file.write(&bytes)?;
                    Ok(Sink::File(file, folder, promise))
                })
                .await?
            }
            #[cfg(feature = "s3")]
            Sink::Object(mut upload) => {
                let runtime = upload.runtime();
                through(runtime.spawn(async move {
                    upload.write(&bytes).await?;
                    Ok(Sink::Object(upload))
                }))
                .await?
            }
        };
        self.sink = Some(sink);
        self.size += size;
        Ok(())
    }

    /// Makes the payload durable.
    pub async fn finish(mut self) -> io::Result<Unclaimed> {
        let blobs = self.blobs;
        match self.sink.take().ok_or_else(broken)? {
            Sink::File(file, _, promise) => {
                aside(move || {
                    let finished = file.finish().map(|name| blobs.unclaimed(name));
                    drop(promise);
                    finished
                })
                .await
            }
            #[cfg(feature = "s3")]
            Sink::Object(upload) => {
                let runtime = upload.runtime();
                through(runtime.spawn(async move { upload.finish().await.map(|name| blobs.unclaimed(name)) })).await
            }
        }
    }
}

fn broken() -> io::Error {
    io::Error::other("the payload broke off before")
}

/// What a task comes to that goes on to its end even if nobody waits for it: what it made is dropped then.
#[cfg(feature = "s3")]
async fn through<T>(task: tokio::task::JoinHandle<io::Result<T>>) -> io::Result<T> {
    task.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
