//! Large payloads as objects of S3-compatible storage.

mod mark;
mod memory;
mod objects;
mod upload;

pub(super) use memory::Memory;
pub(super) use objects::Bucket;
pub(super) use upload::{Upload, copy};
