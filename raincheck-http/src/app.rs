//! The server as a handler has it: with who asks.

use std::ops::Deref;

use super::principal::Principal;
use super::server::{Server, Shared};

/// The state of every handler. Only the guard makes one, so no handler runs without it.
#[derive(Clone)]
pub struct App {
    server: Server,
    principal: Principal,
}

impl App {
    /// For a request of `principal`.
    pub fn new(server: Server, principal: Principal) -> Self {
        App { server, principal }
    }

    /// Who asks.
    pub fn principal(&self) -> Principal {
        self.principal
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.server
    }
}
