//! What must hold of the rows of every store, whichever reads them: a doctor reads, and here is judged.

mod claim;
mod digest;
mod key;
mod row;
mod walk;

pub(crate) use claim::{Claim, Owner, stands_for};
pub(crate) use digest::{Hash, known};
pub(crate) use key::{CIRCLE, forward};
pub(crate) use row::Standing;
pub(crate) use walk::{Step, Walk};
