//! What lies in a place of large payloads, and how it is called.

use std::path::Path;

use uuid::Uuid;

/// The mark of the store that the place belongs to, a file or an object.
pub(super) const MARK: &str = "store-id";
/// The folder of payloads that are being written.
pub(super) const TEMPORARY: &str = "tmp";
/// The folder of payloads that no job refers to.
pub(super) const ORPHANS: &str = "orphans";

/// A name that no other payload has.
pub(super) fn new_name() -> Box<str> {
    Uuid::from_u128(rand::random()).simple().to_string().into()
}

/// Whether a name is one that [`new_name`] makes.
pub(super) fn is_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a folder within is one of finished blobs.
pub(super) fn is_shard(name: &str) -> bool {
    matches!(name.as_bytes(), [b'0'..=b'9' | b'a'..=b'f', b'0'..=b'9' | b'a'..=b'f'])
}

/// Whether a name is one that we give to what lies in a folder.
pub(super) fn belongs(name: &str, within: &Path) -> bool {
    let shard = within.file_name().and_then(|shard| shard.to_str()).filter(|shard| is_shard(shard));
    is_name(name) && shard.is_none_or(|shard| name.starts_with(shard))
}
