use std::io;

use tokio::runtime::Handle;

use super::handle::{Backend, Blobs};
use super::stream::aside;

/// A payload that no row refers to yet. Dropping it removes it; whoever hands it on to a row claims it.
///
/// So a payload has one owner from its first byte until it is a job's, and goes with it, whatever way that owner ends:
/// a refusal, a broken connection, a request that nobody waits for any more.
#[derive(Debug)]
#[must_use = "it is removed when dropped"]
pub struct Unclaimed {
    blobs: Blobs,
    /// `None` once it is claimed.
    name: Option<Box<str>>,
}

impl Blobs {
    /// Takes care of a payload that was made before, until it is claimed.
    pub fn unclaimed(&self, name: Box<str>) -> Unclaimed {
        Unclaimed { blobs: self.clone(), name: Some(name) }
    }

    /// Gives a payload a second name, so that two jobs may own it one by one.
    pub async fn duplicate(&self, name: &str) -> io::Result<Unclaimed> {
        let blobs = self.clone();
        match &self.backend {
            Backend::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.to_owned());
                aside(move || folder.duplicate(&name).map(|copy| blobs.unclaimed(copy))).await
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.duplicate(name).await.map(|copy| blobs.unclaimed(copy)),
        }
    }
}

impl Unclaimed {
    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Hands it over: it stays. Answers its name.
    pub fn claim(mut self) -> Box<str> {
        self.name.take().unwrap_or_default()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        // Outside a runtime the process is about to end, or never had one: then it is removed here and now.
        let Ok(runtime) = Handle::try_current() else { return self.blobs.remove_blocking(&name) };
        let blobs = self.blobs.clone();
        runtime.spawn(async move {
            if let Err(error) = blobs.remove(vec![name]).await {
                tracing::warn!(%error, "a payload that nobody wants stays until it is found");
            }
        });
    }
}
