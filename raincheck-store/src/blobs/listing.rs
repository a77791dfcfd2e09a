//! What lies where large payloads are kept, a page at a time.

use std::io;
use std::path::PathBuf;

#[cfg(feature = "s3")]
use futures_util::{StreamExt as _, stream::BoxStream};

#[cfg(feature = "s3")]
use super::bucket::Bucket;
use super::folder::BlobFolder;
use super::lying::Lying;
use super::stream::aside;

/// A walk through all of it. What comes or goes meanwhile may be met or not.
pub(crate) enum Listing {
    /// The folders to be looked through; `None` before the first look.
    Folder(BlobFolder, Option<Vec<PathBuf>>),
    /// The pages to come.
    #[cfg(feature = "s3")]
    Bucket(BoxStream<'static, io::Result<Vec<Lying>>>),
}

impl Listing {
    pub(super) fn of_folder(folder: BlobFolder) -> Self {
        Listing::Folder(folder, None)
    }

    #[cfg(feature = "s3")]
    pub(super) fn of_bucket(bucket: &Bucket) -> Self {
        Listing::Bucket(bucket.list())
    }

    /// The next page, possibly empty; `None` at the end.
    pub async fn page(&mut self) -> io::Result<Option<Vec<Lying>>> {
        match self {
            Listing::Folder(folder, left) => {
                let (folder, before) = (folder.clone(), left.take());
                let (page, after) = aside(move || {
                    let mut left = match before {
                        Some(left) => left,
                        None => folder.folders()?,
                    };
                    let page = left.pop().map(|within| folder.list(&within)).transpose()?;
                    Ok((page, left))
                })
                .await?;
                *left = Some(after);
                Ok(page)
            }
            #[cfg(feature = "s3")]
            Listing::Bucket(pages) => pages.next().await.transpose(),
        }
    }
}
