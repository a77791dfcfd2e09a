//! Every row of the contract, as a client sees it.

mod bad;
mod batch;
mod bytes;
mod conditions;
mod control;
mod drain;
mod forms;
mod framing;
mod fuzz;
mod gone;
mod greedy;
mod keep_alive;
mod list;
mod lost;
mod metrics;
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
