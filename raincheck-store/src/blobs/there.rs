//! Whether a payload that is not found is lost, or all of them are only out of reach.

use super::{Blobs, Kept, aside};

impl Blobs {
    /// Whether the place of this store's payloads is there: then what is not found in it is lost.
    pub async fn is_there(&self) -> bool {
        match &self.kept {
            Kept::Folder(folder) => {
                let folder = folder.clone();
                aside(move || folder.is_ours()).await.unwrap_or(false)
            }
            // A bucket that is gone answers otherwise, or would take nothing either.
            #[cfg(feature = "s3")]
            Kept::Bucket(_) => true,
        }
    }
}
