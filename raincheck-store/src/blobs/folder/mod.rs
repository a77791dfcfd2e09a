//! Large payloads as files in a folder.

mod files;
pub(super) mod mark;
mod writer;

pub(crate) use files::BlobFolder;
pub(super) use files::gone;
pub(crate) use mark::{holds, owners};
pub(super) use writer::FileWriter;
