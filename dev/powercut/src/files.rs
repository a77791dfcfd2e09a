//! Which descriptors are files below the folder. A table without a lock: every write of the program asks it.

use std::sync::atomic::{AtomicU64, Ordering};

use libc::c_int;

use crate::path::Path;
use crate::real::give_up;

/// More than the server opens under the campaign's load.
const MOST: usize = 4_096;
/// Set beside the number of a write-ahead log.
const WAL: u64 = 1 << 63;

static FILES: [AtomicU64; MOST] = [const { AtomicU64::new(0) }; MOST];

/// What a descriptor is open on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
}

/// Takes a descriptor in; answers the number of what it is open on, which names it as long as it exists.
pub fn track(descriptor: c_int, path: &Path) -> (u64, Kind) {
    // SAFETY: all zeros is a value of it.
    let mut stat: libc::stat64 = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor was opened just now, and `stat` is ours.
    if unsafe { libc::fstat64(descriptor, &raw mut stat) } != 0 || stat.st_ino & WAL != 0 {
        give_up("a file cannot be told");
    }
    let Some(slot) = slot(descriptor) else { give_up("too many files are open") };
    let wal = if path.below().ends_with(b"-wal") { WAL } else { 0 };
    slot.store(stat.st_ino | wal, Ordering::SeqCst);
    (stat.st_ino, if stat.st_mode & libc::S_IFMT == libc::S_IFDIR { Kind::Folder } else { Kind::File })
}

/// Lets it go.
pub fn forget(descriptor: c_int) {
    if let Some(slot) = slot(descriptor) {
        slot.store(0, Ordering::SeqCst);
    }
}

/// The number, for descriptors of files below the folder.
pub fn node(descriptor: c_int) -> Option<u64> {
    let node = slot(descriptor)?.load(Ordering::SeqCst) & !WAL;
    (node != 0).then_some(node)
}

/// Whether it is below the folder.
pub fn is_tracked(descriptor: c_int) -> bool {
    node(descriptor).is_some()
}

/// Whether it is SQLite's write-ahead log.
pub fn is_wal(descriptor: c_int) -> bool {
    slot(descriptor).is_some_and(|slot| slot.load(Ordering::SeqCst) & WAL != 0)
}

fn slot(descriptor: c_int) -> Option<&'static AtomicU64> {
    FILES.get(usize::try_from(descriptor).ok()?)
}
