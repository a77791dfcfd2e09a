//! Every row of the contract, as a client sees it.

mod bad;
mod batch;
mod bytes;
mod control;
mod described;
mod drain;
mod fuzz;
mod gone;
mod greedy;
mod keep_alive;
mod list;
mod lost;
mod metrics;
mod openapi;
mod pages;
mod prefix;
mod read;
mod readers;
mod sockets;
mod stream;
mod submit;
mod test_server;
mod uploads;
mod watch;
mod work;
