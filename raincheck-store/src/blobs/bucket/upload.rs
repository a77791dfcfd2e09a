//! A payload on its way into a bucket: in one piece while it is small, in parts from then on. Memory holds one part, or what
//! came of it.

use std::io;
use std::time::{Duration, Instant};

use object_store::multipart::{MultipartStore as _, PartId};
use object_store::{MultipartId, ObjectStoreExt as _, PutPayload};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Handle;

use super::memory::Held;
use super::objects::{Bucket, failed};
use crate::blobs::folder::BlobFolder;

/// Size of a part, bytes: all but the last have it. Storages take 10,000 of at least 5 MiB, so a payload may have 48 GiB. A
/// slow sender holds one for hours, so it is no larger.
const PART: usize = 5 << 20;
/// How long a mark is good: who seeks those that nobody goes on with knows them by their age.
const MARKED: Duration = Duration::from_secs(3_600);

/// The upload. Whoever writes waits while a part is sent.
#[derive(Debug)]
pub(in crate::blobs) struct Upload {
    bucket: Bucket,
    name: Box<str>,
    /// What was not sent yet.
    part: Vec<u8>,
    /// The memory that it has; `None` where there are few at once.
    memory: Option<Held>,
    /// The upload in parts, once there is one.
    parts: Option<Parts>,
}

#[derive(Debug)]
struct Parts {
    id: MultipartId,
    sent: Vec<PartId>,
    /// When the mark was written last.
    marked: Option<Instant>,
}

impl Upload {
    pub fn new(bucket: Bucket, name: Box<str>, memory: Option<Held>) -> Self {
        Upload { bucket, name, part: Vec::new(), memory, parts: None }
    }

    /// So many bytes will come, perhaps more.
    pub fn expect(&mut self, bytes: u64) -> io::Result<()> {
        self.hold(usize::try_from(bytes).map_or(PART, |bytes| bytes.min(PART)))
    }

    /// Makes room for a part of so many bytes.
    fn hold(&mut self, bytes: usize) -> io::Result<()> {
        if let Some(memory) = &mut self.memory {
            memory.grow(bytes)?;
        }
        self.part.reserve_exact(bytes - self.part.len());
        Ok(())
    }

    /// Where its requests run.
    pub fn runtime(&self) -> Handle {
        self.bucket.runtime.clone()
    }

    pub async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // Only what comes after a whole part shows that it is not the last.
            if self.part.len() == PART {
                self.send().await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(PART - self.part.len()));
            let wanted = self.part.len() + now.len();
            if wanted > self.part.capacity() {
                self.hold(wanted.next_power_of_two().min(PART))?;
            }
            self.part.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Once the storage has acknowledged it, it is durable.
    pub async fn finish(mut self) -> io::Result<Box<str>> {
        self.complete().await?;
        Ok(self.name.clone())
    }

    async fn complete(&mut self) -> io::Result<()> {
        let (bucket, key) = (self.bucket.clone(), self.bucket.key(&self.name));
        if self.parts.is_none() {
            let whole = PutPayload::from(std::mem::take(&mut self.part));
            return bucket.store.put(&key, whole).await.map(drop).map_err(failed);
        }
        self.send().await?;
        let Some(Parts { id, sent, .. }) = &self.parts else { return Ok(()) };
        bucket.store.complete_multipart(&key, id, sent.clone()).await.map_err(failed)?;
        self.parts = None;
        if let Err(error) = bucket.remove_mark(&self.name).await {
            tracing::warn!(%error, name = %self.name, "the mark of a finished upload stays for now");
        }
        Ok(())
    }

    /// Sends what there is as the next part.
    async fn send(&mut self) -> io::Result<()> {
        let (bucket, key) = (self.bucket.clone(), self.bucket.key(&self.name));
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let id = bucket.store.create_multipart(&key).await.map_err(failed)?;
                none.insert(Parts { id, sent: Vec::new(), marked: None })
            }
        };
        // Before the first part: what is stored can always be found and given up.
        if parts.marked.is_none_or(|at| at.elapsed() > MARKED) {
            let mark = PutPayload::from(parts.id.clone().into_bytes());
            bucket.store.put(&bucket.mark(&self.name), mark).await.map_err(failed)?;
            parts.marked = Some(Instant::now());
        }
        let part = PutPayload::from(std::mem::take(&mut self.part));
        let sent = bucket.store.put_part(&key, &parts.id, parts.sent.len(), part).await.map_err(failed)?;
        parts.sent.push(sent);
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(Parts { id, .. }) = self.parts.take() else { return };
        let (bucket, name) = (self.bucket.clone(), self.name.clone());
        self.bucket.runtime.spawn(async move {
            if let Err(error) = bucket.end_upload(&name, &id).await {
                tracing::warn!(%error, %name, "the parts of a broken-off upload stay until they are swept");
            }
        });
    }
}

/// Copies a file into a bucket under its name; `None` when it is gone, `false` when it was there already.
pub(in crate::blobs) async fn copy(from: BlobFolder, to: Bucket, name: Box<str>) -> io::Result<Option<bool>> {
    let mut file = match File::open(from.path(&name)).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let size = file.metadata().await?.len();
    match to.size(&name).await {
        Ok(there) if there == size => return Ok(Some(false)),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (mut upload, mut piece) = (Upload::new(to, name, None), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece).await? {
            0 => break,
            read => upload.write(&piece[..read]).await?,
        }
    }
    upload.finish().await.map(|_| Some(true))
}
