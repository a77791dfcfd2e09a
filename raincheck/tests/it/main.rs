//! The contract over real HTTP.
mod cli;
mod crash;
mod large;
mod server;
