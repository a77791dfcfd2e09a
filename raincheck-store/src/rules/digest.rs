//! What the bytes of a payload are compared by.

use raincheck_core::Digest;
use sha2::{Digest as _, Sha256};

/// The digest of bytes that come in pieces.
#[derive(Default)]
pub(crate) struct Hash(Sha256);

impl Hash {
    /// Takes the next piece.
    pub fn add(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The first half of the SHA-256 (FIPS 180-4) of all of them.
    pub fn end(self) -> Digest {
        let (whole, mut digest) = (self.0.finalize(), Digest::default());
        digest.iter_mut().zip(whole).for_each(|(half, byte)| *half = byte);
        digest
    }

    /// Of what is in memory.
    pub fn of(bytes: &[u8]) -> Digest {
        let mut hash = Hash::default();
        hash.add(bytes);
        hash.end()
    }
}

/// A digest as it is kept: where nobody has worked one out there is none.
pub(crate) fn known(digest: &Digest) -> Option<&[u8]> {
    (*digest != Digest::default()).then_some(&digest[..])
}
