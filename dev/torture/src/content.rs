//! Inputs and results, each known by a number, so that whoever meets one later can say whether it is unharmed.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// What a payload looks like; its bytes follow from this and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// JSON with so many letters.
    Json(usize),
    /// So many bytes that are nothing in particular. Over 64 KiB the server keeps them in a file.
    Raw(usize),
}

impl Content {
    /// The bytes of number `n`.
    pub fn bytes(self, n: u64) -> Vec<u8> {
        match self {
            Content::Json(letters) => format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(letters)).into_bytes(),
            Content::Raw(length) => {
                let mut bytes = vec![0; length];
                StdRng::seed_from_u64(n).fill(&mut bytes[..]);
                bytes
            }
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Content::Json(_) => "application/json",
            Content::Raw(_) => "application/octet-stream",
        }
    }
}
