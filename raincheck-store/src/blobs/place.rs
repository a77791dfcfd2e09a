//! Where large payloads are kept, as it is said.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use super::refusal::Refusal;
use crate::StoreError;

/// Where large payloads of a store on PostgreSQL are kept.
#[derive(Clone)]
pub enum BlobPlace {
    /// A folder that all nodes share; made if it is not there.
    Folder(PathBuf),
    /// A bucket of S3-compatible storage.
    #[cfg(feature = "s3")]
    Bucket(BucketPlace),
}

/// A bucket, and how to get at it.
#[cfg(feature = "s3")]
#[derive(Clone)]
pub struct BucketPlace {
    pub(super) bucket: String,
    pub(super) prefix: String,
    pub(super) s3: S3Options,
}

/// How S3-compatible storage is reached. What is left out is taken from the usual `AWS_*` variables.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct S3Options {
    /// Its address, where it is not Amazon's; `http://` is not encrypted.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Who we are there.
    pub access_key_id: Option<String>,
    /// The secret that proves it.
    pub secret_access_key: Option<String>,
}

impl BlobPlace {
    /// Reads `s3://BUCKET[/PREFIX]`; everything else is a folder.
    ///
    /// # Errors
    /// When no bucket is named, or this program can't use one.
    pub fn read(text: &str, s3: S3Options) -> Result<Self, String> {
        match text.strip_prefix(S3) {
            None => Ok(BlobPlace::Folder(PathBuf::from(text))),
            Some(rest) => bucket(rest, s3),
        }
    }

    pub(crate) fn unusable(&self, error: &io::Error) -> StoreError {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>()) {
            Some(Refusal { why, next }) => StoreError::Refused { why: why.clone(), next: next.clone() },
            None => StoreError::Payloads { place: self.to_string(), why: error.to_string() },
        }
    }

    /// Whether a text names a bucket, usable or not.
    pub fn is_bucket(text: &str) -> bool {
        text.starts_with(S3)
    }
}

const S3: &str = "s3://";

#[cfg(feature = "s3")]
fn bucket(rest: &str, s3: S3Options) -> Result<BlobPlace, String> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    if bucket.is_empty() || prefix.starts_with('/') || prefix.contains("//") {
        return Err(format!("`{S3}{rest}` names no bucket: write s3://BUCKET/PREFIX"));
    }
    Ok(BlobPlace::Bucket(BucketPlace { bucket: bucket.to_owned(), prefix: prefix.to_owned(), s3 }))
}

#[cfg(not(feature = "s3"))]
fn bucket(rest: &str, _: S3Options) -> Result<BlobPlace, String> {
    Err(format!(
        "`{S3}{rest}` needs a program with S3 in it: build this one with `cargo build --release --features s3`"
    ))
}

impl From<&Path> for BlobPlace {
    fn from(folder: &Path) -> Self {
        BlobPlace::Folder(folder.to_owned())
    }
}

impl From<&PathBuf> for BlobPlace {
    fn from(folder: &PathBuf) -> Self {
        BlobPlace::Folder(folder.clone())
    }
}

impl fmt::Display for BlobPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlobPlace::Folder(folder) => folder.display().fmt(f),
            #[cfg(feature = "s3")]
            BlobPlace::Bucket(BucketPlace { bucket, prefix, .. }) if prefix.is_empty() => write!(f, "{S3}{bucket}"),
            #[cfg(feature = "s3")]
            BlobPlace::Bucket(BucketPlace { bucket, prefix, .. }) => write!(f, "{S3}{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_folder() {
        let place = BlobPlace::read("/srv/raincheck/blobs", S3Options::default()).map_err(|_| ()).unwrap();
        assert_eq!(place.to_string(), "/srv/raincheck/blobs");
        assert!(BlobPlace::is_bucket("s3://b") && !BlobPlace::is_bucket("/s3/b"));
    }

    #[cfg(feature = "s3")]
    #[test]
    fn a_bucket_has_a_name_and_may_have_a_prefix() {
        for (said, shown) in
            [("s3://b", "s3://b"), ("s3://b/", "s3://b"), ("s3://b/a/c", "s3://b/a/c"), ("s3://b/a/", "s3://b/a")]
        {
            let secret = S3Options { secret_access_key: Some("s3cret".into()), ..S3Options::default() };
            assert_eq!(BlobPlace::read(said, secret).map_err(|_| ()).unwrap().to_string(), shown);
        }
        for wrong in ["s3://", "s3:///a", "s3://b//a", "s3://b/a//c"] {
            assert!(BlobPlace::read(wrong, S3Options::default()).is_err_and(|why| why.contains("names no bucket")));
        }
    }

    #[cfg(not(feature = "s3"))]
    #[test]
    fn a_program_without_s3_says_how_to_get_it() {
        let refused = BlobPlace::read("s3://b/p", S3Options::default()).err().unwrap();
        assert!(refused.contains("s3://b/p") && refused.contains("--features s3"), "{refused}");
    }
}
