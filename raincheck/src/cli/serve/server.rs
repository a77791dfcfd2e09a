//! A running server: store, engine, HTTP and the built-in workers, started in this order and stopped in the other.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use raincheck_client::Client;
use raincheck_core::{Name, QueuePatch};
use raincheck_engine::{Engine, Settings};
use raincheck_http::{KindOptions, Live};
use raincheck_store::{Store, StoreError};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    commands::{Change, Commands},
    descriptors, options,
};
use crate::{
    cli::exit::{Exit, Failure},
    config::Config,
};

/// From the order to stop to the end, whatever hangs.
const DRAIN: Duration = Duration::from_secs(10);
/// Of that, what is left for HTTP and the store after the commands.
const LAST: Duration = Duration::from_millis(1_500);
/// Before that, what is left to hand back the jobs of commands that had to be killed.
const HAND_BACK: Duration = Duration::from_millis(500);

/// A running server.
pub struct Server {
    address: SocketAddr,
    token: Option<String>,
    engine: Engine,
    kinds: Live<HashMap<Name, KindOptions>>,
    commands: Commands,
    http: JoinHandle<anyhow::Result<()>>,
    shutdown: CancellationToken,
}

impl Server {
    /// Opens the store and the port, and serves.
    ///
    /// # Errors
    /// When it would be open to everybody, or the port or the data can't be had.
    pub async fn start(config: &Config) -> Result<Self, Failure> {
        let mut options = options::http(config)?;
        refuse_open(&options)?;
        options.limits.connections = descriptors::connections(options.limits.connections);
        let listener = raincheck_http::bind(&options).await.map_err(|error| taken(options.listen, &error))?;
        let address = listener.local_addr()?;
        let defaults = options::submit_defaults(config)?;
        let (engine, store) = start_engine(config).await?;
        engine.set_defaults(defaults);
        for (kind, settings) in &config.settings.kinds {
            store.cap_kind(&options::name(kind)?, settings.concurrency);
        }
        let kinds = options.kinds.clone();
        let token = options.admin_token.clone();
        let client = Client::builder(local_url(address)).maybe_token(token.clone()).build()?;
        let (mut commands, own) = (Commands::default(), store.own_workers().unwrap_or_default());
        // Whoever connects now waits. Nobody is told that this server is ready, and no job is taken, while the start may fail.
        let prepared = match Change::of(&commands, config, &client, own) {
            Ok(change) => own_queues(&engine, config).await.map(|()| change),
            Err(failure) => Err(failure),
        };
        let change = match prepared {
            Ok(change) => change,
            Err(failure) => {
                engine.stop().await;
                return Err(failure);
            }
        };
        let shutdown = CancellationToken::new();
        let http = tokio::spawn(raincheck_http::serve(listener, engine.clone(), Arc::new(options), shutdown.clone()));
        commands.apply(change);
        Ok(Self { address, token, engine, kinds, commands, http, shutdown })
    }

    /// Where it is reached from this machine.
    pub fn url(&self) -> String {
        local_url(self.address)
    }

    /// A client that may do everything.
    ///
    /// # Errors
    /// When the token can't be a header.
    pub fn client(&self) -> Result<Client, Failure> {
        Ok(Client::builder(self.url()).maybe_token(self.token.clone()).build()?)
    }

    /// Whether it asks for a token.
    pub fn is_guarded(&self) -> bool {
        self.token.is_some()
    }

    /// Takes over what may change while it runs, or nothing at all.
    ///
    /// # Errors
    /// When a program or schema is not there, or the store does not take it.
    pub async fn reload(&mut self, old: &Config, new: &Config) -> Result<(), Failure> {
        let (defaults, kinds) = (options::submit_defaults(new)?, options::kinds(new)?);
        let own = self.engine.store().own_workers().unwrap_or_default();
        let change = Change::of(&self.commands, new, &self.client()?, own)?;
        own_queues(&self.engine, new).await?;
        for kind in old.settings.kinds.keys().chain(new.settings.kinds.keys()) {
            let cap = new.settings.kinds.get(kind).and_then(|settings| settings.concurrency);
            self.engine.store().cap_kind(&options::name(kind)?, cap);
        }
        self.engine.set_defaults(defaults);
        self.kinds.set(kinds);
        self.commands.apply(change);
        Ok(())
    }

    /// Resolves when it ended by itself, which it should not.
    pub async fn failed(&mut self) -> Failure {
        let why = match (&mut self.http).await {
            Ok(Ok(())) => "it ended by itself".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(error) => error.to_string(),
        };
        Failure::new(Exit::Failed, format!("the server stopped: {why}"))
    }

    /// Takes nothing new, lets what runs end, here and at workers elsewhere, hands back what its own commands did not end, and
    /// closes the data; within ten seconds. Until then it is reached as ever: to say that it stops, and to hear how runs end.
    pub async fn stop(self) {
        let deadline = Instant::now() + DRAIN;
        self.engine.drain();
        let until = deadline - LAST;
        let commands = tokio::time::timeout_at(until, self.commands.stop(until - HAND_BACK));
        let runs = tokio::time::timeout_at(until, self.engine.runs_over());
        match tokio::join!(commands, runs) {
            (Err(_), _) => {
                tracing::warn!("some commands did not end in time; their jobs run again when their leases are over");
            }
            (Ok(()), Err(_)) => tracing::info!("some workers still run jobs; the next server hears how they end"),
            (Ok(()), Ok(())) => {}
        }
        self.shutdown.cancel();
        match tokio::time::timeout_at(deadline - LAST / 3, self.http).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(error = format!("{error:#}"), "HTTP did not end well"),
            Ok(Err(error)) => tracing::error!(%error, "HTTP did not end well"),
            Err(_) => tracing::warn!("some requests did not end in time"),
        }
        if tokio::time::timeout_at(deadline, self.engine.stop()).await.is_err() {
            tracing::warn!("the store did not close in time; the next start recovers");
        }
    }
}

const POSTGRES_NEXT: &str = "is PostgreSQL running there, may this user in, and is the database made (createdb)? \
    See docs/postgresql.md";

/// Sets the limits of the queues that the file owns.
async fn own_queues(engine: &Engine, config: &Config) -> Result<(), Failure> {
    for (name, queue) in &config.settings.queues {
        let patch = QueuePatch {
            max_queued: Some(queue.max_queued),
            concurrency: Some(queue.concurrency),
            ..QueuePatch::default()
        };
        let set = engine.set_queue(options::name(name)?, patch).await;
        set.map_err(|error| Failure::new(Exit::Failed, format!("cannot set up queue {name}: {error}")))?;
    }
    Ok(())
}

async fn start_engine(config: &Config) -> Result<(Engine, Arc<dyn Store>), Failure> {
    let options = options::store(config)?;
    let (clock, url) = (options.clock(), &config.settings.store.url);
    let unusable = |error: &dyn std::fmt::Display| {
        let what = url.sqlite_path().map_or_else(|| url.to_string(), |path| path.display().to_string());
        let next = match url.sqlite_path() {
            Some(_) => "name another folder with --data FOLDER, or stop the server that uses this one",
            None => POSTGRES_NEXT,
        };
        Failure::new(Exit::Failed, format!("cannot use {what}: {error}")).next(next)
    };
    let store = raincheck_store::open(options).await.map_err(|error| match error {
        StoreError::Payloads { .. } | StoreError::Refused { .. } => Failure::from(error),
        error => unusable(&error),
    })?;
    let limits = &config.settings.limits;
    let settings = Settings {
        wait_most: limits.wait.0,
        stream_limit: limits.stream.0,
        log_limit: limits.log.0,
        tombstone: config.settings.store.tombstone.0,
        feed_keep: config.settings.feed.keep.0,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Settings::default()
    };
    let engine = Engine::start(store.clone(), clock, settings).await.map_err(|error| unusable(&error))?;
    Ok((engine, store))
}

/// Beyond loopback, without a token, everybody could run commands here.
fn refuse_open(options: &raincheck_http::Options) -> Result<(), Failure> {
    if options.listen.ip().is_loopback() || options.admin_token.is_some() {
        return Ok(());
    }
    Err(Failure::usage(format!("{} can be reached by others, and no token is set", options.listen.ip()))
        .next("set one: export RAINCHECK_ADMIN_TOKEN=$(head -c 24 /dev/urandom | base64), or listen on 127.0.0.1"))
}

fn taken(listen: SocketAddr, error: &std::io::Error) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("cannot listen on {listen}: {error}"));
    if error.kind() == std::io::ErrorKind::AddrInUse {
        failure.next("is a server running there already? --listen 127.0.0.1:0 takes a free port")
    } else {
        failure
    }
}

/// How the server is reached from the machine that it runs on.
fn local_url(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv6() {
            std::net::Ipv6Addr::LOCALHOST.into()
        } else {
            std::net::Ipv4Addr::LOCALHOST.into()
        });
    }
    format!("http://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_goes_without_a_token() {
        let options = |listen: &str, token: Option<&str>| raincheck_http::Options {
            listen: listen.parse().unwrap(),
            admin_token: token.map(str::to_owned),
            ..raincheck_http::Options::default()
        };
        assert!(refuse_open(&options("127.0.0.1:1", None)).is_ok());
        assert!(refuse_open(&options("[::1]:1", None)).is_ok());
        assert!(refuse_open(&options("0.0.0.0:1", Some("x"))).is_ok());
        for open in ["0.0.0.0:1", "[::]:1", "192.168.0.1:1"] {
            assert!(refuse_open(&options(open, None)).unwrap_err().next.unwrap().contains("RAINCHECK_ADMIN_TOKEN"));
        }
    }

    #[test]
    fn any_address_is_reached_by_loopback() {
        let url = |address: &str| local_url(address.parse().unwrap());
        assert_eq!(url("0.0.0.0:8"), "http://127.0.0.1:8");
        assert_eq!(url("[::]:8"), "http://[::1]:8");
        assert_eq!(url("10.0.0.1:8"), "http://10.0.0.1:8");
    }
}
