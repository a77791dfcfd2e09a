//! The contract over real HTTP.
#![allow(clippy::unwrap_used, reason = "tests, helpers included, fail by panicking")]

mod cli;
mod crash;
mod http;
mod large;
mod postgres;
mod server;
