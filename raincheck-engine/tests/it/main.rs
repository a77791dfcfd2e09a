//! The engine over a real store in a temporary folder. Time is stepped, never slept through.
#![allow(clippy::unwrap_used, reason = "tests, helpers included, fail by panicking")]

mod control;
mod feed;
mod files;
mod leases;
mod life;
mod limits;
mod local;
mod maintenance;
mod selfcheck;
mod test_engine;
mod watching;
mod wire;
