use bytes::Bytes;

/// Bytes a client or worker gave us, wherever they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Payload {
    /// None were given.
    #[default]
    Empty,
    /// Small ones, kept with the job.
    Inline(Bytes),
    /// Large ones, kept as a file of this name.
    Blob {
        /// The name of the file, made by the server.
        name: Box<str>,
        /// Its size, bytes.
        size: u64,
    },
}

impl Payload {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Payload::Empty => 0,
            Payload::Inline(bytes) => bytes.len() as u64,
            Payload::Blob { size, .. } => *size,
        }
    }
}

/// The first 16 bytes of the SHA-256 (FIPS 180-4) of some content: compares content, names it in an `ETag`.
pub type Digest = [u8; 16];

/// A payload and what it is: an input or a result.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Content {
    /// Its bytes, or the file that holds them.
    pub payload: Payload,
    /// Media type as the sender gave it; `None` is `application/json`.
    pub content_type: Option<Box<str>>,
    /// File name as the sender gave it: for people, never for paths.
    pub filename: Option<Box<str>>,
    /// Digest of the bytes; all zero where nobody worked it out (small inputs).
    pub digest: Digest,
}
