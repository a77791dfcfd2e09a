//! Large payloads, wherever they are kept: in a folder, or in S3-compatible storage.
//!
//! Whatever was acknowledged is kept: a payload is durable before any row refers to it. One that no row refers to is an
//! orphan: swept when a store is opened, and sought while it is open.

mod arrival;
#[cfg(feature = "s3")]
mod bucket;
mod folder;
mod handle;
mod layout;
mod listing;
mod lying;
mod orphans;
mod place;
mod read;
mod refusal;
mod room;
mod store_id;
mod stream;
mod there;
mod unclaimed;
mod writer;

pub use arrival::Arrival;
pub(crate) use folder::{BlobFolder, holds, owners};
pub use handle::Blobs;
pub(crate) use listing::Listing;
pub(crate) use lying::Lying;
pub(crate) use orphans::{KEPT, References, look_aside, set_aside};
pub use orphans::{Litter, OrphanSearch};
pub use place::{BlobPlace, S3Options};
pub(crate) use refusal::Refusal;
pub use room::BlobUse;
pub(crate) use store_id::StoreId;
pub use stream::BlobStream;
pub use unclaimed::Unclaimed;
pub use writer::BlobWriter;
