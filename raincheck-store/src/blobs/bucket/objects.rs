//! Large payloads as objects of S3-compatible storage, each under its name below a prefix.
//!
//! An upload that is made in parts leaves a mark under `tmp/` while it goes on, so that a sweep finds the parts of one
//! that was broken off: they are not objects, and no listing shows them.

use std::future::ready;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, RetryConfig,
};
use tokio::runtime::Handle;

use crate::blobs::layout::{is_name, new_name};
use crate::blobs::lying::Lying;
use crate::blobs::place::BucketPlace;
use crate::blobs::stream::BlobStream;

/// Objects that a page of a listing has at most, as many as the storage names at once.
const PAGE: usize = 1_000;
/// A connection is there within this time, or the storage is out of reach.
const CONNECT: Duration = Duration::from_secs(5);
/// The storage takes a part, or answers with more bytes, within this time.
const SILENCE: Duration = Duration::from_secs(60);
/// What fails is tried again for so long; a caller that waits is told afterwards.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRIES: usize = 3;

/// A bucket, and the prefix below which everything of it is ours.
#[derive(Clone)]
pub(in crate::blobs) struct Bucket {
    pub store: AmazonS3,
    prefix: Path,
    /// How many objects were moved out of the way since it was opened.
    pub set_aside: Arc<AtomicU64>,
    /// Where requests run that a blocked thread waits for, or nobody.
    pub runtime: Handle,
}

/// Without the credentials, which the storage's own form shows.
impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({}, {})", self.store, self.prefix)
    }
}

impl Bucket {
    /// Within a runtime. It asks the storage for nothing yet.
    pub fn of(place: &BucketPlace) -> io::Result<Self> {
        let BucketPlace { bucket, prefix, s3 } = place;
        let client = ClientOptions::new()
            .with_allow_http(true)
            .with_connect_timeout(CONNECT)
            .with_read_timeout(SILENCE)
            .with_timeout_disabled();
        let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_client_options(client)
            .with_retry(RetryConfig { backoff, max_retries: RETRIES, retry_timeout: PATIENCE });
        if let Some(endpoint) = &s3.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some(region) = &s3.region {
            builder = builder.with_region(region);
        }
        if let Some(id) = &s3.access_key_id {
            builder = builder.with_access_key_id(id);
        }
        if let Some(secret) = &s3.secret_access_key {
            builder = builder.with_secret_access_key(secret);
        }
        let prefix = Path::parse(prefix).map_err(io::Error::other)?;
        let store = builder.build().map_err(failed)?;
        Ok(Bucket { store, prefix, set_aside: Arc::default(), runtime: Handle::current() })
    }

    pub fn key(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// Where everything of it begins.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Where an upload in parts says that it goes on.
    pub fn mark(&self, name: &str) -> Path {
        self.prefix.clone().join("tmp").join(name)
    }

    pub async fn read(&self, name: &str, range: Range<u64>) -> io::Result<BlobStream> {
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let object = self.store.get_opts(&self.key(name), options).await.map_err(failed)?;
        if object.range != range {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(object.into_stream().map_err(failed).boxed())
    }

    pub async fn size(&self, name: &str) -> io::Result<u64> {
        self.store.head(&self.key(name)).await.map(|about| about.size).map_err(failed)
    }

    /// The storage copies it by itself.
    pub async fn duplicate(&self, name: &str) -> io::Result<Box<str>> {
        let copy = new_name();
        self.store.copy(&self.key(name), &self.key(&copy)).await.map_err(failed)?;
        Ok(copy)
    }

    pub async fn remove(&self, names: Vec<Box<str>>) -> io::Result<()> {
        let keys: Vec<Path> = names.iter().map(|name| self.key(name)).collect();
        let mut removed = self.store.delete_stream(stream::iter(keys.into_iter().map(Ok)).boxed());
        let mut all = Ok(());
        while let Some(one) = removed.next().await {
            match one {
                Err(error) if !matches!(error, object_store::Error::NotFound { .. }) => {
                    all = all.and(Err(failed(error)))
                }
                _ => {}
            }
        }
        all
    }

    /// The same of one, for whoever does not wait for it.
    pub fn remove_later(&self, name: &str) {
        let (bucket, name) = (self.clone(), Box::<str>::from(name));
        self.runtime.spawn(async move {
            if let Err(error) = bucket.remove(vec![name]).await {
                tracing::warn!(%error, "a payload that nobody wants stays until it is found");
            }
        });
    }

    /// Ends the upload in parts of a name, with what was uploaded, where one was broken off.
    pub async fn discard(&self, name: &str) -> io::Result<()> {
        let mark = self.mark(name);
        let upload = match self.store.get(&mark).await {
            Ok(mark) => mark.bytes().await.map_err(failed)?,
            // It has come to its end meanwhile.
            Err(object_store::Error::NotFound { .. }) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        self.end_upload(name, &text(&upload)?).await
    }

    /// Gives an upload in parts up.
    pub async fn end_upload(&self, name: &str, upload: &str) -> io::Result<()> {
        match self.store.abort_multipart(&self.key(name), &upload.to_owned()).await {
            // It was finished, or given up before.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(failed(error)),
        }
        self.remove_mark(name).await
    }

    pub async fn remove_mark(&self, name: &str) -> io::Result<()> {
        match self.store.delete(&self.mark(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    pub fn list(&self) -> BoxStream<'static, io::Result<Vec<Lying>>> {
        // A page names a thousand objects and takes its time to come: each first digit of a name has a walk of its own.
        let by_digit = ('0'..='9').chain('a'..='f').map(|digit| {
            let first = self.key(&digit.to_string());
            let begin = first.to_string();
            let walk = self.store.list_with_offset(Some(&self.prefix), &first);
            walk.try_take_while(move |object| ready(Ok(object.location.as_ref().starts_with(&begin)))).boxed()
        });
        let marks = self.store.list(Some(&self.key("tmp")));
        let prefix = self.prefix.clone();
        let all = stream::select_all(by_digit.chain([marks])).map_err(failed);
        all.try_filter_map(move |object| ready(Ok(ours(&prefix, object))))
            .try_chunks(PAGE)
            .map_err(|broken| broken.1)
            .boxed()
    }
}

/// What an object is to us; `None` where its key is none that we make: a bucket may hold what is somebody else's.
fn ours(prefix: &Path, object: ObjectMeta) -> Option<Lying> {
    let parts: Vec<_> = object.location.prefix_match(prefix)?.collect();
    let (name, finished) = match &parts[..] {
        [name] => (name, true),
        [folder, name] if folder.as_ref() == "tmp" => (name, false),
        _ => return None,
    };
    let name = name.as_ref();
    let written = Some(SystemTime::from(object.last_modified));
    is_name(name).then(|| Lying { name: name.into(), size: object.size, written, finished })
}

fn text(bytes: &Bytes) -> io::Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(io::Error::other)
}

/// What the storage says, as of a file: nothing of its library crosses the seam.
pub(in crate::blobs) fn failed(error: object_store::Error) -> io::Error {
    let kind = match error {
        object_store::Error::NotFound { .. } => io::ErrorKind::NotFound,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error.to_string())
}
