//! Whether a payload that is not found is lost, or all of them are only out of reach.

use super::handle::{Backend, Blobs};
#[cfg(feature = "s3")]
use super::layout::MARK;
use super::stream::aside;

impl Blobs {
    /// Whether the place of this store's payloads is there: then what is not found in it is lost.
    pub async fn is_there(&self) -> bool {
        match &self.backend {
            Backend::Folder(folder) => {
                let folder = folder.clone();
                aside(move || folder.is_ours()).await.unwrap_or(false)
            }
            // Of a bucket that is gone, and of a prefix that was emptied, the storage says the same as of one lost payload.
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.size(MARK).await.is_ok(),
        }
    }
}
