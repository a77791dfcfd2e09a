//! What a script notes, to be judged when it is over.

use raincheck_core::{Command, Reply};

/// Most running jobs of queue `a`.
pub(super) const CAP_A: u32 = 3;
/// Most running jobs of kind `x`.
pub(super) const CAP_X: u32 = 4;

/// What was asked for and what was answered.
pub(super) type Journal = Vec<(Command, Reply)>;
