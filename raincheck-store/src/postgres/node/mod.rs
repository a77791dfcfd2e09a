//! This node among those that serve the data: the number that is its own ([`number`]), and the signs of life by which it
//! keeps it ([`life`]). It must not know commands, nor the feed.

pub(crate) mod life;
pub(crate) mod number;

pub(crate) use number::{leave, take};
