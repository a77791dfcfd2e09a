//! How connections are made: the address, the way of encryption, and what a server must be like.

use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Error, GenericClient};

use super::PostgresOptions;
use super::driver::Driver;
use super::encryption::{self, Encryption};
use super::link::Link;
use super::shared::Trouble;
use super::silence::within;
use super::trouble::{forgets, is_not_yet, told};
use crate::StoreError;
use crate::blobs::StoreId;

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
pub(super) struct Connector {
    config: Config,
    tls: Encryption,
    /// Read anew at each connection: passwords are changed while a node runs.
    password_file: Option<PathBuf>,
    remarks: Arc<Remarks>,
}

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
        Ok(Connector { config, tls, password_file, remarks: Arc::default() })
    }

    /// For a connection that is made now.
    pub fn config(&self) -> Config {
        let mut config = self.config.clone();
        let Some(path) = &self.password_file else { return config };
        let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let read = read.and_then(|text| match text.trim_end_matches(['\r', '\n']) {
            "" => Err("it is empty".to_owned()),
            password => Ok(password.to_owned()),
        });
        if is_news(&self.remarks.no_password, read.is_err()) {
            let error = read.as_ref().err();
            tracing::warn!(error, file = %path.display(), "the password cannot be read again; the old one is tried");
        }
        if let Ok(password) = read {
            config.password(password);
        }
        config
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

    /// A connection and the task that keeps it going.
    async fn open(&self) -> Result<(Client, Driver), Error> {
        let (client, connection) = self.config().connect(self.tls()).await?;
        let driver = Driver::spawn(connection);
        client.batch_execute(&self.greeting()).await?;
        Ok((client, driver))
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

    async fn greet(&self) -> Result<(Client, Driver), Trouble> {
        let unreachable = |e: Error| {
            let io = std::error::Error::source(&e).and_then(|e| e.downcast_ref::<std::io::Error>());
            match io.map(std::io::Error::kind) {
                Some(std::io::ErrorKind::PermissionDenied) => Trouble::Standby,
                _ if is_not_yet(&e) => Trouble::NotYet(told(&e)),
                _ => Trouble::Unreachable(told(&e)),
            }
        };
        let (client, driver) = within(self.patience(), async { self.open().await.map_err(unreachable) }).await?;
        if is_news(&self.remarks.fsync_is_off, within(SILENCE, suits(&client)).await?) {
            tracing::warn!(
                "fsync is off on the database server: a crash of its machine can damage everything it holds"
            );
        }
        Ok((client, driver))
    }

    /// How long a connection may take to come about: to each host, and then that one is greeted.
    fn patience(&self) -> Duration {
        let hosts = u32::try_from(self.config.get_hosts().len().max(1)).unwrap_or(u32::MAX);
        self.config.get_connect_timeout().copied().unwrap_or(SILENCE).saturating_mul(hosts).saturating_add(SILENCE)
    }
}

/// Connections of the pool.
impl deadpool_postgres::Connect for Connector {
    fn connect(
        &self,
        _: &Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), Error>> + Send + '_>> {
        Box::pin(async { self.open().await.map(|(client, driver)| (client, driver.task)) })
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

/// Refuses a server that is too old, or that acknowledges what a power cut can take back; answers whether it leaves out
/// `fsync`.
async fn suits(db: &impl GenericClient) -> Result<bool, Trouble> {
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
    Ok(row.try_get::<_, &str>(3)? == "off")
}
