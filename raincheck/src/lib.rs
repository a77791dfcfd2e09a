//! The Raincheck server as a library: the program in `main.rs` is thin.
//!
//! # What it holds
//!
//! * Every command: [`cli`], one file each. `serve` is the server, `work` a worker, most others a request by the
//!   client.
//! * Settings, from their file, the environment and options: [`config`].
//! * What shows it off: [`demo`].
//!
//! # The walk
//!
//! `serve` reads its settings, opens the store ([`raincheck_store::open()`]), starts the engine on it
//! ([`Engine::start`](raincheck_engine::Engine::start)) and serves that by HTTP ([`raincheck_http::serve()`]). `work`
//! and all commands that ask a server something are a [`Client`](raincheck_client::Client) as any other program could
//! be one.
//!
//! # What it must not know
//!
//! SQL and rules.
//!
//! # Where to begin
//!
//! `cli/mod.rs` for the list of commands, then `cli/serve/mod.rs` and `cli/submit.rs`.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod bench;
pub mod cli;
pub mod config;
pub mod demo;
