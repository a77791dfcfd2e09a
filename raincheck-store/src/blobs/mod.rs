//! Large payloads, wherever they are kept: in a folder, or in S3-compatible storage.
//!
//! Whatever was acknowledged is kept: a payload is durable before any row refers to it. One that no row refers to is an
//! orphan: swept when a store is opened, and sought while it is open.

mod arrival;
#[cfg(feature = "s3")]
mod bucket;
#[cfg(feature = "s3")]
mod bucket_mark;
mod file_writer;
mod folder;
mod listing;
mod litter;
mod marker;
#[cfg(feature = "s3")]
mod memory;
mod orphans;
mod place;
mod read;
mod refusal;
mod room;
mod search;
mod store_id;
mod there;
mod unclaimed;
#[cfg(feature = "s3")]
mod upload;
mod writer;

pub use arrival::Arrival;
pub(crate) use folder::BlobFolder;
pub(crate) use listing::{Listing, Lying};
pub use litter::Litter;
pub(crate) use marker::{holds, owners};
pub(crate) use orphans::KEPT;
pub use place::{BlobPlace, S3Options};
pub(crate) use refusal::Refusal;
pub use room::BlobUse;
pub use search::OrphanSearch;
pub(crate) use search::{References, look_aside, set_aside};
pub(crate) use store_id::StoreId;
pub use unclaimed::Unclaimed;
pub use writer::BlobWriter;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use futures_util::Stream;
use uuid::Uuid;

/// The bytes of a payload as they come.
pub type BlobStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Large payloads, under names the server makes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    kept: Kept,
    room: Arc<room::Room>,
    /// Reads of what was not there in full.
    unreadable: Arc<AtomicU64>,
    #[cfg(feature = "s3")]
    memory: Arc<memory::Memory>,
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
        Blobs {
            kept,
            room: Arc::default(),
            unreadable: Arc::default(),
            #[cfg(feature = "s3")]
            memory: Arc::default(),
        }
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

    /// Whether the place is still there, and still this store's, where that may change: others may be mounted over a folder.
    pub(crate) async fn is_ours(&self) -> io::Result<bool> {
        match self.folder().cloned() {
            Some(folder) => aside(move || folder.is_ours()).await,
            None => Ok(true),
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
            Kept::Bucket(bucket) => Ok(upload::Upload::new(bucket.clone(), new_name(), None).into()),
        }
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
                    tracing::warn!(%error, "a payload that nobody wants stays until it is found");
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
