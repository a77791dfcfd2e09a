//! Who asks.

use raincheck_core::Job;

use super::scope::Scope;

/// Set by the guard, for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The server asks for a token, and this one has shown none that it knows.
    Nobody,
    /// The server asks nobody for a token.
    Everyone,
    /// The bearer of the admin token.
    Admin,
}

impl Principal {
    /// Whether this one may use the routes of `scope`.
    pub fn may(self, scope: Scope) -> bool {
        match self {
            Principal::Nobody => scope == Scope::Open,
            Principal::Everyone | Principal::Admin => true,
        }
    }

    /// Whether the job is there for this one. What is not is answered as one that nobody has submitted.
    pub fn may_see(self, _job: &Job) -> bool {
        match self {
            Principal::Nobody => false,
            Principal::Everyone | Principal::Admin => true,
        }
    }
}
