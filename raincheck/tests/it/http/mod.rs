//! Every row of the contract, as a client sees it.

mod bad;
mod batch;
mod bed;
mod bytes;
mod drain;
mod fuzz;
mod gone;
mod greedy;
mod learn;
mod list;
mod lost;
mod pages;
mod readers;
mod sockets;
mod steer;
mod stream;
mod submit;
mod uploads;
mod watch;
mod work;
