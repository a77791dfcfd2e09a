//! Connections that nobody waits for for ever.

use std::ops::{Deref, DerefMut};

use tokio::runtime::Handle;
use tokio_postgres::Client;

use super::driver::Driver;
use super::encryption::Encryption;
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

/// Has the database stop what it was asked over a connection.
pub(crate) fn withdraw(client: &Client, tls: &Encryption) {
    // Where the program ends, its connections end with it.
    let Ok(runtime) = Handle::try_current() else { return };
    let (token, tls) = (client.cancel_token(), tls.clone());
    // Nobody waits for that: when the database has ended or is silent, there is nothing to be withdrawn.
    runtime.spawn(within(PATIENCE, async move { Ok(token.cancel_query(tls).await?) }));
}
