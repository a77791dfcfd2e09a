//! The Raincheck server as a library: the program in `main.rs` is thin.

pub mod http;
