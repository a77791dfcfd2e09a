//! What travels between callers and the server.

use raincheck_core::{Command, Reply};

/// Who asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    Client(usize),
    Worker(usize),
    Sweep,
}

/// Commands on their way.
#[derive(Debug)]
pub(super) struct Request {
    pub id: u64,
    pub from: From,
    pub commands: Vec<Command>,
}

/// What a caller learns of its request.
pub(super) enum Answer {
    Replied(Vec<Reply>),
    /// Nothing happened, says the server.
    Nothing,
    Unknown,
}
