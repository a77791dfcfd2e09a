//! The crate as a program uses it that embeds it. What the contract says is tested with the server, in `raincheck/tests/it`.
#![allow(clippy::unwrap_used, reason = "tests, helpers included, fail by panicking")]

mod embed;
