//! Partitions by time of what is written about jobs: which there are ([`known`]), made ahead and dropped
//! ([`maintain`]), and put together where little is left ([`compact`]), each of which is over by then ([`past`]). It
//! must not know commands: a job that is there is all that counts.

mod compact;
pub(crate) mod known;
pub(crate) mod maintain;
mod past;

pub(crate) use known::Partitions;
pub use maintain::Maintained;
