//! Rows as values: what stands in which column, and the numbers of names and the counters as this node knows them. It
//! must not know who reads or writes them, and decides nothing.

pub(crate) mod counters;
pub(crate) mod leases;
pub(crate) mod names;
pub(crate) mod rows;
pub(crate) mod sql;
pub(crate) mod text;

pub(crate) use counters::{SERVED, TICKETS};
pub(crate) use text::{escaped, plain};
