//! The Raincheck server as a library: the program in `main.rs` is thin.

pub mod bench;
pub mod cli;
pub mod config;
pub mod demo;
