//! Raincheck's contract over HTTP, as an axum [`Router`](axum::Router).
//!
//! [`serve()`] is a whole server on a port; [`router()`] is for a program that has routes of its own. Both answer the same
//! requests in the same way.
//!
//! A request passes the accept loop (`accept`, of [`serve()`] only) and comes to its row (`routes`), whose scope the guard
//! asks for (`route`, `guard`, `principal`); its handler reads it with the extractors (`path`, `ask`, `query`, `body`), calls
//! one verb of the engine and writes the answer with `wire`; `front` sees every answer out. What can go wrong is a row of `problem`. Whoever waits is answered by `watch` and
//! `stream`, which read the engine's feed.
//!
//! It knows no SQL and no rules: it asks the engine, never the store. Nor does it know the command line or where settings
//! come from: it is told its [`Options`].

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
mod failed;
mod filename;
mod front;
#[cfg(test)]
mod fuzz;
mod guard;
mod health;
mod html;
mod jobs;
mod kinds;
mod leases;
mod list;
mod lost;
mod metrics;
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
mod stream;
mod submit;
#[cfg(test)]
mod tests;
mod upload;
mod visible;
mod watch;
mod wire;
mod workers;

pub use document::DOCUMENT as OPENAPI;
pub use embed::router;
pub use options::{KindOptions, Limits, Live, Options, tells_failure};
pub use serve::{bind, serve};
pub use wire::mistyped;
