//! The client, the worker and its runners against a small server that speaks the protocol from memory.
//!
//! Tests wait for facts with a deadline, never for time.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod client;
mod command;
mod crash;
mod function;
mod keep;
mod leavings;
mod lifecycle;
mod mock;
mod output;
mod readers;
mod supervisor;
mod support;
mod trouble;
mod unexpected;
