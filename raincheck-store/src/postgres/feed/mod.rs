//! The change feed of all nodes, as this one tells of it: put into order ([`order`]), read where others wrote
//! ([`tail`]), and the [`hints`] by which nodes hear of each other, for which each has to [`listen`]. It must not know
//! who listens, nor how a transaction is made.

pub(crate) mod hints;
pub(crate) mod listen;
pub(crate) mod order;
pub(crate) mod tail;
