//! Raincheck's contract over HTTP, as an axum [`Router`](axum::Router).
//!
//! # What it holds
//!
//! * [`serve()`], a whole server on a port, and [`router()`], for a program that has routes of its own. Both answer the
//!   same requests in the same way.
//! * One file for each resource with its handlers, and one row for each route (`routes`): method, path, scope, handler.
//!   The description of all of them is [`OPENAPI`].
//! * Every error as one row of `problem`.
//! * The ways to wait (`watch`, `stream`) and the pages for people (`html`, `pages`).
//!
//! # The walk
//!
//! A request passes the accept loop (`accept`, of [`serve()`] only) and comes to its row, whose scope the guard asks
//! for (`route`, `guard`, `principal`). Its handler is a paragraph: it reads the request with the extractors (`path`,
//! `ask`, `query`, `body`), calls one verb of the [`Engine`](raincheck_engine::Engine) and writes the answer (`answer`,
//! `wire`). `front` sees every answer out. Whoever waits is answered by `watch` and `stream`, which read the engine's
//! feed.
//!
//! # What it must not know
//!
//! SQL and rules: it asks the engine, never the store. Nor the command line or where settings come from: it is told its
//! [`Options`].
//!
//! # Where to begin
//!
//! `routes.rs`, then one handler, `readers.rs`; for what stands around them `front.rs` and `route.rs`.

mod accept;
mod answer;
mod app;
mod arriving;
mod ask;
mod base;
mod body;
mod bytes;
mod control;
mod cut;
mod damaged;
mod document;
mod embed;
mod encoding;
mod failed;
mod filename;
mod front;
#[cfg(test)]
mod fuzz;
mod guard;
mod health;
mod hosts;
mod html;
mod jobs;
mod json_body;
mod kinds;
mod leases;
mod linger;
mod list;
mod lost;
mod metrics;
mod multipart;
mod negotiate;
mod openapi;
mod options;
mod outflow;
mod pace;
mod pages;
mod path;
mod peer;
mod places;
mod precondition;
mod preface;
mod prefer;
mod principal;
mod problem;
mod query;
mod queues;
mod range;
mod readers;
mod result;
mod room;
mod route;
mod routes;
mod scope;
mod seen;
mod serve;
mod server;
mod serving;
mod stream;
mod submit;
#[cfg(test)]
mod tests;
mod trace;
mod unread;
mod upload;
mod visible;
mod watch;
mod wire;
mod workers;

pub use document::DOCUMENT as OPENAPI;
pub use embed::router;
pub use hosts::HostPattern;
pub use options::{KindOptions, Limits, Live, Options, can_be_shown, tells_failure};
pub use serve::{bind, serve};
pub use wire::mistyped;
