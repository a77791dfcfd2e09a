//! What a folder of payloads has besides them, in a bucket: the mark of its store, and what was moved out of the way.

use std::io;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode, PutPayload};

use super::objects::{Bucket, failed};
use crate::blobs::folder::mark;
use crate::blobs::layout::{MARK, ORPHANS, is_name};
use crate::blobs::lying::Lying;
use crate::blobs::place::BlobPlace;
use crate::blobs::refusal::Refusal;
use crate::blobs::store_id::StoreId;

impl Bucket {
    /// Marks an empty place, or finds it marked as this store's.
    pub async fn claim(&self, place: &BlobPlace, id: StoreId) -> io::Result<()> {
        let theirs = self.owners(place).await?;
        if !theirs.is_empty() {
            return mark::judge(place, &theirs, id);
        }
        if let Some(holds) = self.holds().await? {
            return Err(Refusal::unmarked(place, &format!("`{holds}`"), Some(id)).into());
        }
        let text = || PutPayload::from(mark::text(&[id]).into_bytes());
        let put = self.store.put_opts(&self.key(MARK), text(), PutMode::Create.into()).await;
        match put {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
            // Not every storage can refuse to overwrite, and each says so in its own way. Of two stores that come at once
            // one then finds the other's mark below, or at its next start.
            Err(_) => drop(self.store.put(&self.key(MARK), text()).await.map_err(failed)?),
        }
        let theirs = self.owners(place).await?;
        mark::judge(place, &theirs, id)
    }

    /// The stores whose mark it bears.
    pub async fn owners(&self, place: &BlobPlace) -> io::Result<Vec<StoreId>> {
        let text = match self.store.get(&self.key(MARK)).await {
            Ok(mark) => mark.bytes().await.map_err(failed)?,
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        mark::parse(place, &String::from_utf8_lossy(&text))
    }

    /// Something that lies there, below its prefix.
    async fn holds(&self) -> io::Result<Option<Path>> {
        let mut all = self.store.list(Some(self.prefix()));
        while let Some(object) = all.try_next().await.map_err(failed)? {
            if object.location != self.key(MARK) {
                return Ok(Some(object.location));
            }
        }
        Ok(None)
    }

    fn aside(&self, name: &str) -> Path {
        self.key(ORPHANS).join(name)
    }

    /// Moves objects out of the way; answers how many there were.
    pub async fn set_aside(&self, names: Vec<Box<str>>) -> io::Result<u64> {
        let mut moved = 0;
        for name in names {
            match self.store.copy(&self.key(&name), &self.aside(&name)).await {
                Err(object_store::Error::NotFound { .. }) => continue,
                copied => copied.map_err(failed)?,
            }
            self.remove(vec![name]).await?;
            moved += 1;
            self.set_aside.fetch_add(1, Ordering::Relaxed);
        }
        Ok(moved)
    }

    /// What was moved out of the way.
    pub async fn lying_aside(&self) -> io::Result<Vec<Lying>> {
        let (aside, mut all) = (self.key(ORPHANS), Vec::new());
        let mut objects = self.store.list(Some(&aside));
        while let Some(object) = objects.try_next().await.map_err(failed)? {
            let name = object.location.filename().filter(|name| is_name(name));
            if let Some(name) = name.filter(|name| object.location == self.aside(name)) {
                let written = Some(SystemTime::from(object.last_modified));
                all.push(Lying { name: name.into(), size: object.size, written, finished: true });
            }
        }
        Ok(all)
    }

    /// Brings an object back.
    pub async fn take_back(&self, name: &str) -> io::Result<()> {
        match self.size(name).await {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => self.store.copy(&self.aside(name), &self.key(name)).await.map_err(failed)?,
        }
        self.store.delete(&self.aside(name)).await.map_err(failed)
    }

    /// Removes what was moved out of the way before `before`; answers how many.
    pub async fn clear_aside(&self, before: SystemTime) -> io::Result<u64> {
        let mut cleared = 0;
        for one in self.lying_aside().await? {
            if one.written.is_some_and(|at| at < before) {
                match self.store.delete(&self.aside(&one.name)).await {
                    Ok(()) | Err(object_store::Error::NotFound { .. }) => cleared += 1,
                    Err(error) => return Err(failed(error)),
                }
            }
        }
        Ok(cleared)
    }
}
