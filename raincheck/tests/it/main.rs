//! The contract over real HTTP.
mod cli;
mod crash;
mod http;
mod large;
mod server;
