//! How connections are made: the address, the way of encryption, and what a server must be like.

use std::str::FromStr;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::{Client, Config, GenericClient};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::encryption;
use super::link::Link;
use super::shared::Trouble;
use super::silence::within;
use super::trouble::{forgets, told};
use crate::StoreError;

/// The oldest server that has all that is used here; tests run on whichever the machine has.
const OLDEST: i32 = 140_000;
/// How long a connection may take to come about, and data to be acknowledged by the other side.
const SILENCE: Duration = Duration::from_secs(5);

/// Makes connections to one database.
#[derive(Clone)]
pub(super) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Connector {
    pub fn new(url: &str) -> Result<Self, StoreError> {
        // What is wrong with the address is told without the address: there may be a password in it.
        let wrong = |e: &dyn std::fmt::Display| StoreError::Other(format!("the address of the database: {e}"));
        let (url, root) = encryption::split(url).map_err(|e| wrong(&e))?;
        let mut config = Config::from_str(&url).map_err(|e| {
            let why = std::error::Error::source(&e).map(ToString::to_string);
            wrong(&why.unwrap_or_else(|| e.to_string()))
        })?;
        if config.get_target_session_attrs() == TargetSessionAttrs::Any {
            // Of several servers the one that takes writes; and never a standby.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(SILENCE);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(2 * SILENCE);
        }
        config.keepalives_idle(2 * SILENCE).keepalives_interval(SILENCE).keepalives_retries(2);
        if config.get_application_name().is_none() {
            config.application_name("raincheck");
        }
        let tls = encryption::tls(config.get_ssl_mode(), root.as_deref()).map_err(|e| wrong(&e))?;
        let tls = MakeRustlsConnect::new(tls);
        Ok(Connector { config, tls })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn tls(&self) -> MakeRustlsConnect {
        self.tls.clone()
    }

    /// Where the database is, without user and password.
    pub fn place(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let name = self.config.get_dbname().or(self.config.get_user()).unwrap_or("?");
        format!("{} on {}", name, hosts.collect::<Vec<_>>().join(","))
    }

    /// A connection of one's own, to a server that keeps what it acknowledges.
    pub async fn connect(&self) -> Result<Client, Trouble> {
        self.greet().await.map(|(client, _)| client)
    }

    /// The same, one that can be cut.
    pub async fn link(&self) -> Result<Link, Trouble> {
        let (client, driver) = self.greet().await?;
        Ok(Link::new(client, driver, self.tls()))
    }

    async fn greet(&self) -> Result<(Client, AbortHandle), Trouble> {
        let unreachable = |e: tokio_postgres::Error| {
            let io = std::error::Error::source(&e).and_then(|e| e.downcast_ref::<std::io::Error>());
            match io.map(std::io::Error::kind) {
                Some(std::io::ErrorKind::PermissionDenied) => Trouble::Standby,
                _ => Trouble::Unreachable(super::trouble::told(&e)),
            }
        };
        let connected = async { self.config.connect(self.tls()).await.map_err(unreachable) };
        let (client, connection) = within(self.patience(), connected).await?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = %super::trouble::told(&error), "a connection to the database ended");
            }
        });
        within(SILENCE, suits(&client)).await?;
        Ok((client, driver.abort_handle()))
    }

    /// How long a connection may take to come about: to each host, and then that one is greeted.
    fn patience(&self) -> Duration {
        let hosts = u32::try_from(self.config.get_hosts().len().max(1)).unwrap_or(u32::MAX);
        self.config.get_connect_timeout().copied().unwrap_or(SILENCE).saturating_mul(hosts).saturating_add(SILENCE)
    }
}

/// Refuses a pooler that hands out connections by the transaction, and does not keep what was prepared on them.
pub(super) async fn keeps_statements(db: &Client, other: &Client) -> Result<(), Trouble> {
    let statement = db.prepare("SELECT 1").await?;
    // The connection behind, if there is one, is the other's from here to the end of its transaction.
    other.batch_execute("BEGIN; SELECT 1").await?;
    let kept = db.query(&statement, &[]).await;
    other.batch_execute("ROLLBACK").await?;
    kept.map(drop).map_err(|error| if forgets(&error) { Trouble::Unsuitable(told(&error)) } else { error.into() })
}

/// Refuses a server that is too old, or that acknowledges what a power cut can take back.
async fn suits(db: &impl GenericClient) -> Result<(), Trouble> {
    const SQL: &str = "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
        current_setting('synchronous_commit'), current_setting('fsync'), current_setting('server_encoding')";
    let row = db.query_one(SQL, &[]).await?;
    let (number, version): (i32, &str) = (row.try_get(0)?, row.try_get(1)?);
    if number < OLDEST {
        let least = OLDEST / 10_000;
        return Err(Trouble::Unsuitable(format!(
            "PostgreSQL {version} is too old: {least} is the oldest that will do"
        )));
    }
    let encoding: &str = row.try_get(4)?;
    if encoding != "UTF8" {
        return Err(Trouble::Unsuitable(format!(
            "the encoding of the database is {encoding}: make one with ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    if row.try_get::<_, &str>(2)? == "off" {
        return Err(Trouble::Unsuitable(
            "synchronous_commit is off: what is acknowledged could be lost; set it to on, for the database or the role"
                .to_owned(),
        ));
    }
    if row.try_get::<_, &str>(3)? == "off" {
        tracing::warn!("fsync is off on the database server: a crash of its machine can damage everything it holds");
    }
    Ok(())
}
