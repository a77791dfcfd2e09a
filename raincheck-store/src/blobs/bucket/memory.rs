//! Memory for parts of payloads on their way into a bucket. A part is as large as a storage asks for, and a slow sender
//! fills one for hours: what all of them hold together is bounded, not only how many there are.

use std::io;
use std::sync::Arc;

use raincheck_core::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::blobs::room::BlobUse;

/// What a permit stands for, bytes.
const UNIT: usize = 64 << 10;

/// What the uploads of a server share; results have their own, as they have places.
#[derive(Debug)]
pub(in crate::blobs) struct Memory {
    inputs: Arc<Semaphore>,
    results: Arc<Semaphore>,
}

impl Default for Memory {
    fn default() -> Self {
        let of = || Arc::new(Semaphore::new(limits::PARTS_BYTES / UNIT));
        Memory { inputs: of(), results: of() }
    }
}

impl Memory {
    /// Nothing yet, for one upload.
    pub fn none(&self, of: BlobUse) -> Held {
        let all = match of {
            BlobUse::Input => &self.inputs,
            BlobUse::Result => &self.results,
        };
        Held { all: all.clone(), held: None }
    }
}

/// What one upload holds.
#[derive(Debug)]
pub(in crate::blobs) struct Held {
    all: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// Holds so many bytes from here on, if it was fewer.
    ///
    /// # Errors
    /// [`io::ErrorKind::QuotaExceeded`] when others hold them.
    pub fn grow(&mut self, bytes: usize) -> io::Result<()> {
        let more = bytes.div_ceil(UNIT).saturating_sub(self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        let more = u32::try_from(more).map_err(io::Error::other)?;
        let more = self.all.clone().try_acquire_many_owned(more).map_err(|_| full())?;
        match &mut self.held {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::QuotaExceeded, "uploads to the bucket hold as much memory as they may")
}
