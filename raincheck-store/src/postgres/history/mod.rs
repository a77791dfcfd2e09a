//! Which history of the data this node goes by: another one begins after a switch to another server, or when a copy was
//! put back. It must not know commands: it only says that what was known may mean nothing any more.

mod anew;
pub(crate) mod current;
mod missing;

pub use anew::Anew;
