use std::time::Instant;

use raincheck_core::{Command, Reply};
use tokio::sync::oneshot;

use crate::StoreError;

/// Commands of one caller and the way back to it.
pub(crate) struct Request {
    pub commands: Vec<Command>,
    /// When it was asked.
    pub since: Instant,
    pub answer: oneshot::Sender<Answer>,
}

/// What becomes of the commands of one caller.
pub(crate) type Answer = Result<Vec<Reply>, StoreError>;
