//! How connections are made: the address, the way of encryption, and what a server must be like.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, GenericClient};

use super::anchor::{Anchor, Server, Use};
use super::driver::{Driver, Ear};
use super::encryption::{self, Encryption};
use super::hosts::Hosts;
use super::link::Link;
use super::timeouts::{LEAST, within};
use crate::StoreError;
use crate::blobs::StoreId;
use crate::postgres::error::PgError;
use crate::postgres::error::{forgets, message_of};
use crate::postgres::options::PostgresOptions;

/// The oldest server that has all that is used here; tests run on whichever the machine has.
const OLDEST: i32 = 140_000;
/// How long a connection may take to come about, and data to be acknowledged by the other side.
const SILENCE: Duration = Duration::from_secs(5);

/// What a session keeps, whatever becomes of the settings of the server, the database or the role: what it acknowledges is
/// on disk, and with the standbys that the server waits for.
const PINS: &str = "SELECT set_config('synchronous_commit', replace(current_setting('synchronous_commit'), 'local', 'on'), \
    false), set_config('default_transaction_isolation', 'read committed', false)";

/// Makes connections to one database.
#[derive(Clone)]
pub(crate) struct Connector {
    hosts: Hosts,
    database: String,
    /// How long a host may take until it is connected to and has said who it is.
    patience: Duration,
    tls: Encryption,
    /// Read anew at each connection: passwords are changed while a node runs.
    password_file: Option<PathBuf>,
    remarks: Arc<Remarks>,
    anchor: Arc<Anchor>,
}

/// A connection to a host, and who that is.
type Found = (Server, Client, Driver);

/// What was said already, and is so still; and whose data it is.
#[derive(Default)]
struct Remarks {
    store: OnceLock<StoreId>,
    fsync_is_off: AtomicBool,
    no_password: AtomicBool,
}

/// Whether something is so now and was not at the last look.
fn is_news(known: &AtomicBool, now: bool) -> bool {
    now & !known.swap(now, Ordering::Relaxed)
}

impl Connector {
    pub fn new(options: &PostgresOptions) -> Result<Self, StoreError> {
        // What is wrong with the address is told without the address: there may be a password in it.
        let wrong = |e: &dyn std::fmt::Display| StoreError::Other(format!("the address of the database: {e}"));
        let (url, root) = encryption::split(&options.url).map_err(|e| wrong(&e))?;
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
        let tls = Encryption::new(config.get_ssl_mode(), root).map_err(|e| wrong(&e))?;
        let password_file = options.password_file.clone();
        let hosts = Hosts::of(&config).map_err(|e| wrong(&e))?;
        let database = config.get_dbname().or(config.get_user()).unwrap_or("?").to_owned();
        let patience = config.get_connect_timeout().copied().unwrap_or(SILENCE).saturating_add(SILENCE);
        let (remarks, anchor) = (Arc::default(), Arc::default());
        Ok(Connector { hosts, database, patience, tls, password_file, remarks, anchor })
    }

    /// The password that counts now, where a file has it.
    fn password(&self) -> Option<String> {
        let path = self.password_file.as_ref()?;
        let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let read = read.and_then(|text| match text.trim_end_matches(['\r', '\n']) {
            "" => Err("it is empty".to_owned()),
            password => Ok(password.to_owned()),
        });
        if is_news(&self.remarks.no_password, read.is_err()) {
            let error = read.as_ref().err();
            tracing::warn!(error, file = %path.display(), "the password cannot be read again; the old one is tried");
        }
        read.ok()
    }

    pub fn tls(&self) -> Encryption {
        self.tls.clone()
    }

    /// From now on it is connected with that store alone.
    pub fn bind(&self, store: StoreId) {
        let _ = self.remarks.store.set(store);
    }

    /// Where the database is, without user and password.
    pub fn place(&self) -> String {
        format!("{} on {}", self.database, self.hosts.names().join(","))
    }

    /// What tells which server all connections are to.
    pub fn anchor(&self) -> Arc<Anchor> {
        self.anchor.clone()
    }

    /// A connection of one's own, to a server that keeps what it acknowledges.
    pub async fn connect(&self) -> Result<Client, PgError> {
        let (client, driver) = self.greet().await?;
        driver.task.detach();
        Ok(client)
    }

    /// The same, one that can be cut.
    pub async fn link(&self) -> Result<Link, PgError> {
        let (client, driver) = self.greet().await?;
        Ok(Link::new(client, driver, self.tls()))
    }

    /// A connection to the server that all others are to, and what keeps it going. The host of that one is asked first,
    /// and the others too when that does not say at once that it still is.
    pub async fn open(&self, purpose: Use, ear: Option<Ear>) -> Result<(Client, Driver), PgError> {
        let (password, mut said, mut found) = (self.password(), Vec::new(), Vec::new());
        let each = self.hosts.each().await;
        let on = self.anchor.held().map(|server| server.place);
        let first = each.iter().position(|(place, _)| on.as_ref() == Some(place));
        let ask = |at: usize| {
            let ((place, config), password, ear) = (each[at].clone(), password.clone(), ear.clone());
            async move { (at, within(self.patience, self.ask(&place, config, password, ear)).await) }
        };
        let mut asked: FuturesUnordered<_> = first.into_iter().map(ask).collect();
        if first.is_some()
            && let Ok(Some((at, answer))) = timeout(LEAST, asked.next()).await
        {
            match answer {
                Ok(one) if self.anchor.held().is_some_and(|on| on.is(&one.0)) => return self.take(purpose, one),
                Ok(one) => found.push((at, one)),
                Err(error) => said.push((at, error)),
            }
        }
        asked.extend((0..each.len()).filter(|at| Some(*at) != first).map(ask));
        // Once one has come about, the others have not much longer: those that are down may never answer.
        let mut until = found.first().map(|_| Instant::now() + LEAST);
        while let Ok(Some((at, answer))) = match until {
            Some(until) => timeout_at(until, asked.next()).await,
            None => Ok(asked.next().await),
        } {
            match answer {
                Ok(one) => {
                    until.get_or_insert_with(|| Instant::now() + LEAST);
                    found.push((at, one));
                }
                Err(error) => said.push((at, error)),
            }
        }
        found.sort_by_key(|(at, _)| *at);
        self.anchor.rank(&mut found, |(_, (server, ..))| server);
        for (at, one) in found {
            match self.take(purpose, one) {
                Ok(taken) => return Ok(taken),
                Err(error) => said.push((at, error)),
            }
        }
        said.sort_by_key(|(at, _)| *at);
        Err(PgError::of_hosts(said.into_iter().map(|(at, error)| (each[at].0.as_str(), error))))
    }

    fn take(&self, purpose: Use, (server, client, driver): Found) -> Result<(Client, Driver), PgError> {
        self.anchor.take(&server, purpose, driver.task.abort_handle())?;
        Ok((client, driver))
    }

    /// Connects to a host, and asks it who it is.
    async fn ask(
        &self,
        place: &str,
        mut config: Config,
        password: Option<String>,
        ear: Option<Ear>,
    ) -> Result<Found, PgError> {
        if let Some(password) = password {
            config.password(password);
        }
        let (client, connection) = config.connect(self.tls()).await.map_err(PgError::of_connecting)?;
        let driver = Driver::spawn(connection, ear);
        client.batch_execute(&self.greeting()).await?;
        let server = Server::ask(&client, place).await?;
        Ok((server, client, driver))
    }

    /// What every session is asked first.
    fn greeting(&self) -> String {
        let Some(ours) = self.remarks.store.get() else { return PINS.to_owned() };
        format!(
            "{PINS}; DO $$ BEGIN IF (SELECT encode(bytes, 'hex') FROM meta WHERE name = 'id') IS DISTINCT FROM '{:032x}' \
             THEN RAISE EXCEPTION 'the address leads to another store than this node serves' USING ERRCODE = '08004'; \
             END IF; END $$",
            u128::from_be_bytes(ours.0)
        )
    }

    async fn greet(&self) -> Result<(Client, Driver), PgError> {
        let (client, driver) = within(self.patience + 2 * LEAST, self.open(Use::Work, None)).await?;
        if is_news(&self.remarks.fsync_is_off, within(SILENCE, suits(&client)).await?) {
            tracing::warn!(
                "fsync is off on the database server: a crash of its machine can damage everything it holds"
            );
        }
        Ok((client, driver))
    }
}

/// Refuses a pooler that hands out connections by the transaction, and does not keep what was prepared on them.
pub(crate) async fn keeps_statements(db: &Client, other: &Client) -> Result<(), PgError> {
    let statement = db.prepare("SELECT 1").await?;
    // The connection behind, if there is one, is the other's from here to the end of its transaction.
    other.batch_execute("BEGIN; SELECT 1").await?;
    let kept = db.query(&statement, &[]).await;
    other.batch_execute("ROLLBACK").await?;
    kept.map(drop).map_err(|error| if forgets(&error) { PgError::Unsuitable(message_of(&error)) } else { error.into() })
}

/// Refuses a server that is too old, or that acknowledges what a power cut can take back; answers whether it leaves out
/// `fsync`.
async fn suits(db: &impl GenericClient) -> Result<bool, PgError> {
    const SQL: &str = "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
        current_setting('synchronous_commit'), current_setting('fsync'), current_setting('server_encoding')";
    let row = db.query_one(SQL, &[]).await?;
    let (number, version): (i32, &str) = (row.try_get(0)?, row.try_get(1)?);
    if number < OLDEST {
        let least = OLDEST / 10_000;
        return Err(PgError::Unsuitable(format!(
            "PostgreSQL {version} is too old: {least} is the oldest that will do"
        )));
    }
    let encoding: &str = row.try_get(4)?;
    if encoding != "UTF8" {
        return Err(PgError::Unsuitable(format!(
            "the encoding of the database is {encoding}: make one with ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    if row.try_get::<_, &str>(2)? == "off" {
        return Err(PgError::Unsuitable(
            "synchronous_commit is off: what is acknowledged could be lost; set it to on, for the database or the role"
                .to_owned(),
        ));
    }
    Ok(row.try_get::<_, &str>(3)? == "off")
}
