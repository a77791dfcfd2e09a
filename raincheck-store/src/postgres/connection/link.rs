//! Connections that nobody waits for for ever.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

use deadpool::managed::{Hook, HookError};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_postgres::Client;

use super::driver::Driver;
use super::encryption::Encryption;
use super::pool::{Object, Readers};
use super::timeouts::{PATIENCE, within};

/// A connection that is cut when it is dropped, whatever it still waits for.
pub(crate) struct Link {
    client: Client,
    driver: Driver,
    tls: Encryption,
}

impl Link {
    pub fn new(client: Client, driver: Driver, tls: Encryption) -> Self {
        Link { client, driver, tls }
    }

    /// Whether the database has warned of something since the last time that this was asked.
    pub fn was_warned(&self) -> bool {
        self.driver.warned.take()
    }

    /// Cuts it, and has the database stop what it was asked: it may be waiting for a lock, and nobody is left to tell.
    pub fn withdraw(self) {
        withdraw(&self.client, &self.tls);
    }
}

impl Deref for Link {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Link {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// A connection of the pool, lent until a moment at which whoever has it gives up. Then nobody else gets it.
pub(crate) struct Loan {
    object: Object,
    until: Instant,
    doubts: Doubts,
    tls: Encryption,
}

impl Loan {
    pub fn new(object: Object, until: Instant, doubts: &Doubts, tls: &Encryption) -> Self {
        Loan { object, until, doubts: doubts.clone(), tls: tls.clone() }
    }
}

impl Deref for Loan {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.object
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Object {
        &mut self.object
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if Instant::now() >= self.until {
            self.doubts.doubt_all();
            withdraw(&self.object, &self.tls);
        }
    }
}

/// When somebody last gave up waiting for an answer, or the data turned out to have another history: connections of the
/// pool that were there then may never answer, or tell of the one before.
#[derive(Clone, Default)]
pub(crate) struct Doubts(Arc<Mutex<Option<Instant>>>);

impl Doubts {
    /// All that are there now.
    pub fn doubt_all(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    /// Keeps them from being lent again.
    pub fn hook(&self) -> Hook<Readers> {
        let doubts = self.clone();
        Hook::sync_fn(move |_, metrics| match *doubts.0.lock() {
            Some(since) if metrics.created <= since => Err(HookError::message("nobody got an answer by it")),
            _ => Ok(()),
        })
    }
}

fn withdraw(client: &Client, tls: &Encryption) {
    // Where the program ends, its connections end with it.
    let Ok(runtime) = Handle::try_current() else { return };
    let (token, tls) = (client.cancel_token(), tls.clone());
    // Nobody waits for that: when the database has ended or is silent, there is nothing to be withdrawn.
    runtime.spawn(within(PATIENCE, async move { Ok(token.cancel_query(tls).await?) }));
}
