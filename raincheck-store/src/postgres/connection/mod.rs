//! Connections to one server: how they are made, lent and given up, and which server they are to. It must not know the
//! tables, nor what is asked over a connection.
//!
//! [`hosts`] and [`encryption`] say what an address means, [`connector`] connects, [`anchor`] sees to it that all
//! connections are to the same server, [`driver`] and [`link`] are one connection, [`pool`] those for reading and
//! [`loan`] one of them while it is lent, [`db`] the writer's with its statements; [`timeouts`] says how long anybody
//! waits.

pub(crate) mod anchor;
pub(crate) mod connector;
pub(crate) mod db;
pub(crate) mod driver;
pub(crate) mod encryption;
mod hosts;
pub(crate) mod link;
pub(crate) mod loan;
pub(crate) mod pool;
pub(crate) mod timeouts;
mod unverified;
