//! Half-written payloads that nobody writes any more, while a server runs.
//!
//! Whoever writes one removes it when it breaks off. What a failing disk or a killed node of many kept from that is found
//! here: a file that is the same in two looks, between which every upload that goes on has written to its own.

use std::collections::HashMap;
use std::io;
use std::time::SystemTime;

use crate::blobs::folder::BlobFolder;
use crate::blobs::handle::Blobs;
use crate::blobs::stream::aside;

/// What lay half written at the last look: its size, and when it was last written to.
#[derive(Debug, Default)]
pub struct Litter(HashMap<Box<str>, (u64, Option<SystemTime>)>);

impl Blobs {
    /// Removes what lies half written as it did at the look before; answers how many. Looks must be as far apart as an
    /// upload may take for what is written at once. Unfinished parts in a bucket are left to the
    /// search for orphans.
    pub async fn remove_litter(&self, before: Litter) -> io::Result<(usize, Litter)> {
        match self.folder().cloned() {
            Some(folder) => aside(move || look(&folder, &before)).await,
            None => Ok((0, before)),
        }
    }
}

fn look(folder: &BlobFolder, before: &Litter) -> io::Result<(usize, Litter)> {
    let (mut removed, mut now) = (0, Litter::default());
    for one in folder.list_half_written()? {
        let looks = (one.size, one.written);
        if before.0.get(&one.name) == Some(&looks) {
            folder.discard(&one.name)?;
            removed += 1;
        } else {
            now.0.insert(one.name, looks);
        }
    }
    Ok((removed, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_the_same_twice_goes_and_what_grows_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = BlobFolder::open(scratch.path(), crate::blobs::StoreId::fresh()).unwrap();
        let blobs = Blobs::from(folder.clone());
        let (mut live, dead) = (folder.create().unwrap(), folder.create().unwrap());
        let lying = || folder.list_half_written().unwrap().len();
        let (removed, seen) = blobs.remove_litter(Litter::default()).await.unwrap();
        assert_eq!((removed, lying()), (0, 2));
        live.write(b"more").unwrap();
        let (removed, seen) = blobs.remove_litter(seen).await.unwrap();
        assert_eq!((removed, lying()), (1, 1));
        live.write(b"more").unwrap();
        let (removed, _) = blobs.remove_litter(seen).await.unwrap();
        assert_eq!((removed, lying()), (0, 1));
        let name = live.finish().unwrap();
        assert_eq!(std::fs::read(folder.path(&name)).unwrap(), b"moremore");
        std::mem::forget(dead);
    }
}
