//! Room on the disk for payloads that are on their way in.
//!
//! A reserve is left for everything that is no upload. An upload is promised what it announces before its first byte is
//! written, so that those under way never need more together than there is, however slowly they come.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use raincheck_core::limits;

use super::folder::BlobFolder;

/// What a payload is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobUse {
    /// A job's input: it may not take from the reserve.
    Input,
    /// What a run made: its end goes on while the disk is nearly full, so it may take half of the reserve. The other half
    /// is for ends that need no file.
    Result,
}

/// What the uploads to a folder share.
#[derive(Debug)]
pub(super) struct Room {
    reserve_bytes: AtomicU64,
    /// Bytes promised to inputs and not written yet.
    inputs: AtomicU64,
    /// The same of results, which need not wait for those of inputs.
    results: AtomicU64,
}

/// What one upload was promised and did not need yet; given back when dropped.
#[derive(Debug)]
pub(super) struct Promise {
    room: Arc<Room>,
    of: BlobUse,
    left: u64,
}

impl Default for Room {
    fn default() -> Self {
        let reserve_bytes = AtomicU64::new(limits::DISK_RESERVE_BYTES);
        Room { reserve_bytes, inputs: AtomicU64::new(0), results: AtomicU64::new(0) }
    }
}

impl Room {
    pub fn keep_free(&self, bytes: u64) {
        self.reserve_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Promises so many bytes, if they are there.
    pub fn promise(self: &Arc<Self>, folder: &BlobFolder, of: BlobUse, bytes: u64) -> io::Result<Promise> {
        // Counted before it is looked: of two that come at once, at most both are refused.
        self.of(of).fetch_add(bytes, Ordering::AcqRel);
        let promise = Promise { room: self.clone(), of, left: bytes };
        let promised = match of {
            BlobUse::Input => self.inputs.load(Ordering::Acquire) + self.results.load(Ordering::Acquire),
            BlobUse::Result => self.results.load(Ordering::Acquire),
        };
        if folder.free_bytes()? < self.floor(of).saturating_add(promised) {
            return Err(full());
        }
        Ok(promise)
    }

    fn of(&self, of: BlobUse) -> &AtomicU64 {
        match of {
            BlobUse::Input => &self.inputs,
            BlobUse::Result => &self.results,
        }
    }

    fn floor(&self, of: BlobUse) -> u64 {
        let reserve = self.reserve_bytes.load(Ordering::Relaxed);
        match of {
            BlobUse::Input => reserve,
            BlobUse::Result => reserve / 2,
        }
    }
}

impl Promise {
    /// So many bytes are about to be written; refused where that would take from what is to stay free, whatever was
    /// promised: others may have filled the disk meanwhile.
    pub fn take(&mut self, folder: &BlobFolder, bytes: u64) -> io::Result<()> {
        let promised = self.left.min(bytes);
        self.give_back(promised);
        let free = folder.free_bytes()?;
        if free < self.room.floor(self.of).saturating_add(bytes) {
            return Err(full());
        }
        // What was never promised has to fit beside what was.
        match bytes - promised {
            0 => Ok(()),
            more => self.room.promise(folder, self.of, more).map(drop),
        }
    }

    fn give_back(&mut self, bytes: u64) {
        self.left -= bytes;
        self.room.of(self.of).fetch_sub(bytes, Ordering::AcqRel);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.give_back(self.left);
    }
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "what is left of the disk is kept for the ends of runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_promised_is_not_promised_again() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = BlobFolder::open(scratch.path(), crate::blobs::StoreId::fresh()).unwrap();
        let free = folder.free_bytes().unwrap();
        let room = Arc::new(Room::default());
        // Far from every bound of a disk that others write to meanwhile.
        let (half, most) = (free / 2, free / 4 * 3);
        room.keep_free(free / 8);
        let refused = |of, bytes| room.promise(&folder, of, bytes).map(drop).map_err(|error| error.kind());
        let first = room.promise(&folder, BlobUse::Input, half).unwrap();
        assert_eq!(refused(BlobUse::Input, half), Err(io::ErrorKind::StorageFull));
        assert_eq!(refused(BlobUse::Result, half), Ok(()), "an end does not wait for inputs");
        drop(first);
        assert_eq!(refused(BlobUse::Input, most), Ok(()));
        assert_eq!(refused(BlobUse::Input, free), Err(io::ErrorKind::StorageFull));
    }

    #[test]
    fn the_reserve_is_not_for_inputs_and_half_of_it_not_for_results() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = BlobFolder::open(scratch.path(), crate::blobs::StoreId::fresh()).unwrap();
        let free = folder.free_bytes().unwrap();
        let room = Arc::new(Room::default());
        let mut promises = [BlobUse::Input, BlobUse::Result].map(|of| room.promise(&folder, of, 0).unwrap());
        let mut take = |reserve: u64| {
            room.keep_free(reserve);
            promises.each_mut().map(|promise| promise.take(&folder, 1).is_ok())
        };
        assert_eq!(take(free / 2), [true, true]);
        assert_eq!(take(free / 2 * 3), [false, true]);
        assert_eq!(take(free * 3), [false, false]);
    }
}
