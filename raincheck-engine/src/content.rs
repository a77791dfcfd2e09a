use bytes::Bytes;
use raincheck_core::{Content, Payload, digest};

/// JSON text as the input or result of a job, kept with the job; for text up to
/// [`raincheck_core::limits::INLINE_BYTES`] bytes.
pub fn json(text: impl Into<Bytes>) -> Content {
    let bytes = text.into();
    Content { digest: digest(&bytes), payload: Payload::Inline(bytes), ..Content::default() }
}
