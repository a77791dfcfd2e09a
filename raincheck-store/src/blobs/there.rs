//! Whether a payload that is not found is lost, or all of them are only out of reach.

#[cfg(feature = "s3")]
use super::marker;
use super::{Blobs, Kept, aside};

impl Blobs {
    /// Whether the place of this store's payloads is there: then what is not found in it is lost.
    pub async fn is_there(&self) -> bool {
        match &self.kept {
            Kept::Folder(folder) => {
                let folder = folder.clone();
                aside(move || folder.is_ours()).await.unwrap_or(false)
            }
            // Of a bucket that is gone, and of a prefix that was emptied, the storage says the same as of one lost payload.
            #[cfg(feature = "s3")]
            Kept::Bucket(bucket) => bucket.size(marker::NAME).await.is_ok(),
        }
    }
}
