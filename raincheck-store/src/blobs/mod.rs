//! Large payloads, wherever they are kept: in a folder, or in S3-compatible storage.
//!
//! Whatever was acknowledged is kept: a payload is durable before any row refers to it. One that no row refers to is an
//! orphan, swept when a store is opened.

mod arrival;
#[cfg(feature = "s3")]
mod bucket;
#[cfg(feature = "s3")]
mod bucket_mark;
mod folder;
mod listing;
mod litter;
mod marker;
mod orphans;
mod place;
mod room;
mod there;
mod unclaimed;
#[cfg(feature = "s3")]
mod upload;
mod writer;

pub use arrival::Arrival;
pub(crate) use folder::BlobFolder;
pub(crate) use listing::{Listing, Lying};
pub use litter::Litter;
pub(crate) use marker::{Refusal, StoreId, holds, owners};
pub(crate) use orphans::KEPT;
pub use place::{BlobPlace, S3Options};
pub use room::BlobUse;
pub use unclaimed::Unclaimed;
pub use writer::BlobWriter;

use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, TryStreamExt as _, stream};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

/// Read from a file at once.
const CHUNK: usize = 64 << 10;

/// The bytes of a payload as they come.
pub type BlobStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Large payloads, under names the server makes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    kept: Kept,
    room: Arc<room::Room>,
}

#[derive(Clone, Debug)]
enum Kept {
    Folder(BlobFolder),
    #[cfg(feature = "s3")]
    Bucket(bucket::Bucket),
}

impl From<BlobFolder> for Blobs {
    fn from(folder: BlobFolder) -> Self {
        Kept::Folder(folder).into()
    }
}

impl From<Kept> for Blobs {
    fn from(kept: Kept) -> Self {
        Blobs { kept, room: Arc::default() }
    }
}

impl Blobs {
    /// Opens the place of a store that other nodes of it write into as well.
    pub(crate) async fn open(place: &BlobPlace, id: StoreId) -> io::Result<Self> {
        match place {
            BlobPlace::Folder(root) => {
                let root = root.clone();
                aside(move || BlobFolder::open_shared(&root, id)).await.map(Blobs::from)
            }
            #[cfg(feature = "s3")]
            BlobPlace::Bucket(options) => {
                let bucket = bucket::Bucket::of(options)?;
                bucket.claim(place, id).await?;
                Ok(Kept::Bucket(bucket).into())
            }
        }
    }

    /// The stores whose mark a place bears; none where it has no mark.
    #[cfg_attr(not(feature = "s3"), expect(unused_variables, reason = "a folder is known by itself"))]
    pub(crate) async fn owners(&self, place: &BlobPlace) -> io::Result<Vec<StoreId>> {
        match &self.kept {
            Kept::Folder(folder) => {
                let folder = folder.clone();
                aside(move || owners(folder.root())).await
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.owners(place).await,
        }
    }

    /// The place as it is, for a reader that must not touch it.
    pub(crate) fn at(place: &BlobPlace) -> io::Result<Self> {
        match place {
            BlobPlace::Folder(root) => Ok(BlobFolder::at(root).into()),
            #[cfg(feature = "s3")]
            BlobPlace::Bucket(options) => bucket::Bucket::of(options).map(|bucket| Kept::Bucket(bucket).into()),
        }
    }

    /// The folder, where it is one.
    pub(crate) fn folder(&self) -> Option<&BlobFolder> {
        match &self.kept {
            Kept::Folder(folder) => Some(folder),
            #[cfg(feature = "s3")]
            Kept::Bucket(_) => None,
        }
    }

    /// Uploads leave so many bytes of the disk free.
    pub(crate) fn keep_free(&self, bytes: u64) {
        self.room.keep_free(bytes);
    }

    /// Starts a new payload. Writing it blocks: it is for a thread that may.
    pub fn create(&self) -> io::Result<BlobWriter> {
        match &self.kept {
            Kept::Folder(folder) => folder.create().map(BlobWriter::from),
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => Ok(upload::Upload::new(bucket.clone(), new_name()).into()),
        }
    }

    /// The bytes of a payload from `range.start` up to `range.end`, which do not lie behind its end.
    pub async fn read(&self, name: &str, range: Range<u64>) -> io::Result<BlobStream> {
        if range.is_empty() {
            return Ok(Box::pin(stream::empty()));
        }
        match &self.kept {
            Kept::Folder(folder) => {
                let path = folder.path(name);
                let file = aside(move || {
                    let mut file = std::fs::File::open(path)?;
                    file.seek(SeekFrom::Start(range.start))?;
                    Ok(file)
                });
                let file = File::from_std(file.await?).take(range.end - range.start);
                Ok(Box::pin(ReaderStream::with_capacity(file, CHUNK)))
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.read(name, range).await,
        }
    }

    /// All bytes of a payload of a size, in memory.
    pub async fn bytes(&self, name: &str, size: u64) -> io::Result<Bytes> {
        let mut pieces = self.read(name, 0..size).await?;
        let mut all = BytesMut::with_capacity(size as usize);
        while let Some(piece) = pieces.try_next().await? {
            all.extend_from_slice(&piece);
        }
        if all.len() as u64 == size { Ok(all.freeze()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// How large a payload is, bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none of that name.
    pub async fn size(&self, name: &str) -> io::Result<u64> {
        match &self.kept {
            Kept::Folder(folder) => {
                let path = folder.path(name);
                aside(move || std::fs::metadata(path)).await.map(|about| about.len())
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.size(name).await,
        }
    }

    /// Gives a payload a second name, so that two jobs may own it one by one.
    pub async fn duplicate(&self, name: &str) -> io::Result<Unclaimed> {
        let blobs = self.clone();
        match &self.kept {
            Kept::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.to_owned());
                aside(move || folder.duplicate(&name).map(|copy| blobs.unclaimed(copy))).await
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.duplicate(name).await.map(|copy| blobs.unclaimed(copy)),
        }
    }

    /// Removes payloads; one that is gone already is fine. All are tried.
    ///
    /// # Errors
    /// The first that could not be removed.
    pub async fn remove(&self, names: Vec<Box<str>>) -> io::Result<()> {
        match &self.kept {
            Kept::Folder(folder) => {
                let folder = folder.clone();
                aside(move || names.iter().map(|name| folder.remove(name)).fold(Ok(()), io::Result::and)).await
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.remove(names).await,
        }
    }

    /// Removes a payload that nobody wants, on this thread where there is no runtime to do it.
    fn remove_blocking(&self, name: &str) {
        match &self.kept {
            Kept::Folder(folder) => {
                if let Err(error) = folder.remove(name) {
                    tracing::warn!(%error, "a payload that nobody wants stays until the next start");
                }
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.remove_later(name),
        }
    }

    /// Everything that lies there, half-written payloads among them.
    pub(crate) fn list(&self) -> Listing {
        match &self.kept {
            Kept::Folder(folder) => Listing::of_folder(folder.clone()),
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => Listing::of_bucket(bucket),
        }
    }

    /// Moves payloads that no job refers to out of the way, for [`KEPT`]; one that is gone already is fine. Answers how
    /// many there were.
    pub(crate) async fn set_aside(&self, names: Vec<Box<str>>) -> io::Result<u64> {
        match &self.kept {
            Kept::Folder(folder) => {
                let folder = folder.clone();
                aside(move || folder.set_aside(&names)).await
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.set_aside(names).await,
        }
    }

    /// What was moved out of the way, and when.
    pub(crate) async fn lying_aside(&self) -> io::Result<Vec<Lying>> {
        match &self.kept {
            Kept::Folder(folder) => {
                let folder = folder.clone();
                aside(move || folder.lying_aside()).await
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.lying_aside().await,
        }
    }

    /// Brings a payload back that was moved out of the way.
    pub(crate) async fn take_back(&self, name: &str) -> io::Result<()> {
        match &self.kept {
            Kept::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.to_owned());
                aside(move || folder.take_back(&name)).await
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.take_back(name).await,
        }
    }

    /// Removes what was moved out of the way before `before`; answers how many.
    pub(crate) async fn clear_aside(&self, before: SystemTime) -> io::Result<u64> {
        match &self.kept {
            Kept::Folder(folder) => {
                let folder = folder.clone();
                aside(move || folder.clear_aside(before)).await
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.clear_aside(before).await,
        }
    }

    /// How many payloads were moved out of the way since the place was opened, because no job referred to them.
    pub fn count_set_aside(&self) -> u64 {
        match &self.kept {
            Kept::Folder(folder) => folder.set_aside.load(Ordering::Relaxed),
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.set_aside.load(Ordering::Relaxed),
        }
    }

    /// Removes what was left half written under a name.
    pub(crate) async fn discard(&self, name: &str) -> io::Result<()> {
        match &self.kept {
            Kept::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.to_owned());
                aside(move || folder.discard(&name)).await
            }
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.discard(name).await,
        }
    }

    /// Copies a payload of a folder, under its name; `None` when that is gone, `false` when it was here already.
    pub(crate) async fn take_in(&self, from: &BlobFolder, name: &str) -> io::Result<Option<bool>> {
        let (from, name) = (from.clone(), Box::<str>::from(name));
        match self.kept.clone() {
            Kept::Folder(to) => aside(move || from.copy_to(&to, &name)).await,
            #[cfg(feature = "s3")]
            Kept::Bucket(to) => upload::copy(from, to, name).await,
        }
    }

    /// What was taken in is durable under its name from here on.
    pub(crate) async fn sync(&self) -> io::Result<()> {
        match self.folder().cloned() {
            Some(folder) => aside(move || folder.sync()).await,
            None => Ok(()),
        }
    }
}

/// A name that no other payload has.
fn new_name() -> Box<str> {
    Uuid::from_u128(rand::random()).simple().to_string().into()
}

/// Whether a name is one that [`new_name`] makes.
fn is_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Work with files, off the threads that everybody waits for.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
