use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

#[cfg(feature = "s3")]
use super::bucket;
use super::folder::{BlobFolder, owners};
#[cfg(feature = "s3")]
use super::layout::new_name;
use super::listing::Listing;
use super::place::BlobPlace;
use super::room::Room;
use super::store_id::StoreId;
use super::stream::aside;
use super::writer::BlobWriter;

/// Large payloads, under names the server makes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    pub(super) backend: Backend,
    pub(super) room: Arc<Room>,
    /// Reads of what was not there in full.
    pub(super) unreadable: Arc<AtomicU64>,
    #[cfg(feature = "s3")]
    pub(super) memory: Arc<bucket::Memory>,
}

/// Where they are kept.
#[derive(Clone, Debug)]
pub(super) enum Backend {
    Folder(BlobFolder),
    #[cfg(feature = "s3")]
    Bucket(bucket::Bucket),
}

impl From<BlobFolder> for Blobs {
    fn from(folder: BlobFolder) -> Self {
        Backend::Folder(folder).into()
    }
}

impl From<Backend> for Blobs {
    fn from(backend: Backend) -> Self {
        Blobs {
            backend,
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
                Ok(Backend::Bucket(bucket).into())
            }
        }
    }

    /// The stores whose mark a place bears; none where it has no mark.
    #[cfg_attr(not(feature = "s3"), expect(unused_variables, reason = "a folder is known by itself"))]
    pub(crate) async fn owners(&self, place: &BlobPlace) -> io::Result<Vec<StoreId>> {
        match &self.backend {
            Backend::Folder(folder) => {
                let folder = folder.clone();
                aside(move || owners(folder.root())).await
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.owners(place).await,
        }
    }

    /// The place as it is, for a reader that must not touch it.
    pub(crate) fn at(place: &BlobPlace) -> io::Result<Self> {
        match place {
            BlobPlace::Folder(root) => Ok(BlobFolder::at(root).into()),
            #[cfg(feature = "s3")]
            BlobPlace::Bucket(options) => bucket::Bucket::of(options).map(|bucket| Backend::Bucket(bucket).into()),
        }
    }

    /// The folder, where it is one.
    pub(crate) fn folder(&self) -> Option<&BlobFolder> {
        match &self.backend {
            Backend::Folder(folder) => Some(folder),
            #[cfg(feature = "s3")]
            Backend::Bucket(_) => None,
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
        match &self.backend {
            Backend::Folder(folder) => folder.create().map(BlobWriter::from),
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => Ok(bucket::Upload::new(bucket.clone(), new_name(), None).into()),
        }
    }

    /// How large a payload is, bytes.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is none of that name.
    pub async fn size(&self, name: &str) -> io::Result<u64> {
        match &self.backend {
            Backend::Folder(folder) => {
                let path = folder.path(name);
                aside(move || std::fs::metadata(path)).await.map(|about| about.len())
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.size(name).await,
        }
    }

    /// Removes payloads; one that is gone already is fine. All are tried.
    ///
    /// # Errors
    /// The first that could not be removed.
    pub async fn remove(&self, names: Vec<Box<str>>) -> io::Result<()> {
        match &self.backend {
            Backend::Folder(folder) => {
                let folder = folder.clone();
                aside(move || names.iter().map(|name| folder.remove(name)).fold(Ok(()), io::Result::and)).await
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.remove(names).await,
        }
    }

    /// Removes a payload that nobody wants, on this thread where there is no runtime to do it.
    pub(super) fn remove_blocking(&self, name: &str) {
        match &self.backend {
            Backend::Folder(folder) => {
                if let Err(error) = folder.remove(name) {
                    tracing::warn!(%error, "a payload that nobody wants stays until it is found");
                }
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.remove_later(name),
        }
    }

    /// Everything that lies there, half-written payloads among them.
    pub(crate) fn list(&self) -> Listing {
        match &self.backend {
            Backend::Folder(folder) => Listing::of_folder(folder.clone()),
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => Listing::of_bucket(bucket),
        }
    }

    /// Copies a payload of a folder, under its name; `None` when that is gone, `false` when it was here already.
    pub(crate) async fn take_in(&self, from: &BlobFolder, name: &str) -> io::Result<Option<bool>> {
        let (from, name) = (from.clone(), Box::<str>::from(name));
        match self.backend.clone() {
            Backend::Folder(to) => aside(move || from.copy_to(&to, &name)).await,
            #[cfg(feature = "s3")]
            Backend::Bucket(to) => bucket::copy(from, to, name).await,
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
