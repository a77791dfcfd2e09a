//! Which history of the data this node goes by: another one begins after a switch to another server, or when a copy was
//! put back. [`epoch`] is where one begins, [`known`] what this node knows, [`meet`] how it goes over to another one,
//! and [`missing`] counts what is not there then. It must not know commands: it only says that what was known may mean
//! nothing any more.

mod anew;
pub(crate) mod epoch;
pub(crate) mod known;
mod meet;
mod missing;

pub use anew::Anew;
