//! Payloads that no job refers to. They are moved out of the way, and removed when they have lain there for a day: whatever
//! made them unknown, a database of yesterday or a bug, there is time to see it.

use std::fs::{self, File};
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use raincheck_core::limits;

use crate::blobs::folder::{BlobFolder, gone};
use crate::blobs::handle::{Backend, Blobs};
use crate::blobs::layout::{ORPHANS, is_name};
use crate::blobs::lying::Lying;
use crate::blobs::stream::aside;

/// How long they lie there.
pub(crate) const KEPT: Duration = Duration::from_millis(limits::ORPHANS_KEPT_MILLIS.unsigned_abs());

impl Blobs {
    /// Moves payloads that no job refers to out of the way, for [`KEPT`]; one that is gone already is fine. Answers how
    /// many there were.
    pub(crate) async fn set_aside(&self, names: Vec<Box<str>>) -> io::Result<u64> {
        match &self.backend {
            Backend::Folder(folder) => {
                let folder = folder.clone();
                aside(move || folder.set_aside(&names)).await
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.set_aside(names).await,
        }
    }

    /// What was moved out of the way, and when.
    pub(crate) async fn lying_aside(&self) -> io::Result<Vec<Lying>> {
        match &self.backend {
            Backend::Folder(folder) => {
                let folder = folder.clone();
                aside(move || folder.lying_aside()).await
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.lying_aside().await,
        }
    }

    /// Brings a payload back that was moved out of the way.
    pub(crate) async fn take_back(&self, name: &str) -> io::Result<()> {
        match &self.backend {
            Backend::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.to_owned());
                aside(move || folder.take_back(&name)).await
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.take_back(name).await,
        }
    }

    /// Removes what was moved out of the way before `before`; answers how many.
    pub(crate) async fn clear_aside(&self, before: SystemTime) -> io::Result<u64> {
        match &self.backend {
            Backend::Folder(folder) => {
                let folder = folder.clone();
                aside(move || folder.clear_aside(before)).await
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.clear_aside(before).await,
        }
    }

    /// How many payloads were moved out of the way since the place was opened, because no job referred to them.
    pub fn count_set_aside(&self) -> u64 {
        match &self.backend {
            Backend::Folder(folder) => folder.set_aside.load(Ordering::Relaxed),
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.set_aside.load(Ordering::Relaxed),
        }
    }

    /// Removes what was left half written under a name.
    pub(crate) async fn discard(&self, name: &str) -> io::Result<()> {
        match &self.backend {
            Backend::Folder(folder) => {
                let (folder, name) = (folder.clone(), name.to_owned());
                aside(move || folder.discard(&name)).await
            }
            #[cfg(feature = "s3")]
            Backend::Bucket(bucket) => bucket.discard(name).await,
        }
    }
}

impl BlobFolder {
    /// Finished blobs that `is_known` denies.
    pub(crate) fn unknown(&self, mut is_known: impl FnMut(&str) -> bool) -> io::Result<Vec<Box<str>>> {
        let mut unknown = Vec::new();
        for shard in self.shards()? {
            unknown.extend(self.list(&shard)?.into_iter().map(|file| file.name).filter(|name| !is_known(name)));
        }
        Ok(unknown)
    }

    /// Moves blobs out of the way; one that is gone already is fine. Answers how many there were.
    pub(crate) fn set_aside(&self, names: &[Box<str>]) -> io::Result<u64> {
        let (aside, mut moved) = (self.root().join(ORPHANS), 0);
        for name in names {
            let path = self.path(name);
            // Its day begins now.
            let done = File::open(&path)
                .and_then(|file| file.set_modified(SystemTime::now()))
                .and_then(|()| fs::rename(&path, aside.join(&**name)));
            match done {
                Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => {}
                done => {
                    done.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
                    moved += 1;
                }
            }
        }
        self.set_aside.fetch_add(moved, Ordering::Relaxed);
        Ok(moved)
    }

    /// What was moved out of the way.
    pub(crate) fn lying_aside(&self) -> io::Result<Vec<Lying>> {
        match self.root().join(ORPHANS) {
            aside if aside.is_dir() => self.list(&aside),
            _ => Ok(Vec::new()),
        }
    }

    /// Brings a blob back; one that is there already stays.
    pub(crate) fn take_back(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        if path.try_exists()? {
            return Ok(());
        }
        fs::rename(self.root().join(ORPHANS).join(name), path)
    }

    /// Removes what was moved out of the way before `before`; answers how many.
    pub(crate) fn clear_aside(&self, before: SystemTime) -> io::Result<u64> {
        let mut cleared = 0;
        for file in self.lying_aside()? {
            if file.written.is_some_and(|at| at < before) && is_name(&file.name) {
                gone(&self.root().join(ORPHANS).join(&*file.name))?;
                cleared += 1;
            }
        }
        Ok(cleared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::layout::new_name;
    use crate::blobs::store_id::StoreId;

    #[test]
    fn what_is_unknown_is_kept_for_a_day_and_nothing_else_is_touched() {
        let root = tempfile::tempdir().unwrap();
        let blobs = BlobFolder::open(root.path(), StoreId::fresh()).unwrap();
        let write = |bytes: &[u8]| {
            let mut writer = blobs.create().unwrap();
            writer.write(bytes).unwrap();
            writer.finish().unwrap()
        };
        let (known, unknown) = (write(b"known"), write(b"unknown"));
        let other = new_name();
        let wrong_shard = if other.starts_with("00") { "01" } else { "00" };
        let strange = [
            "00/notes.txt".to_owned(),
            format!("{wrong_shard}/{other}"),
            format!("{}/{}", &other[..2], other.to_uppercase() + "A"),
            format!("{}/{}", &other[..2], &other[..31]),
            format!("photos/{other}"),
            other.to_string(),
            "orphans/notes.txt".to_owned(),
            "tmp/notes.txt".to_owned(),
        ];
        for name in &strange {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        std::os::unix::fs::symlink("/etc/hostname", blobs.path(&other)).unwrap();

        let found = blobs.unknown(|name| name == &*known).unwrap();
        assert_eq!(found, std::slice::from_ref(&unknown));
        let gone = new_name();
        assert_eq!(blobs.set_aside(&[unknown.clone(), gone]).unwrap(), 1);
        assert!(!blobs.path(&unknown).exists() && blobs.path(&known).exists());
        assert_eq!(blobs.lying_aside().unwrap().len(), 1);
        blobs.take_back(&unknown).unwrap();
        assert_eq!(fs::read(blobs.path(&unknown)).unwrap(), b"unknown");

        blobs.set_aside(std::slice::from_ref(&unknown)).unwrap();
        let now = SystemTime::now();
        assert_eq!(blobs.clear_aside(now - KEPT).unwrap(), 0, "its day is not over");
        assert_eq!(blobs.clear_aside(now + KEPT).unwrap(), 1);
        assert!(blobs.lying_aside().unwrap().is_empty());
        for name in &strange {
            assert_eq!(fs::read_to_string(root.path().join(name)).unwrap(), *name);
        }
        assert!(blobs.path(&other).is_symlink());
        assert_eq!(blobs.strangers(100).unwrap().len(), strange.len() + 1);
    }
}
