//! This node among those that serve the data: the number that is its own ([`number`]), the signs of life by which it
//! keeps it ([`life`]), whose [`clock`] it goes by, whether it can [`reach`] the database, and whether what it knows of
//! the others is [`stale`]. It must not know commands, nor the feed.

pub(crate) mod clock;
pub(crate) mod life;
pub(crate) mod number;
pub(crate) mod reach;
pub(crate) mod stale;

pub(crate) use number::{leave, take};
