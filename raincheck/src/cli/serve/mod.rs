//! `raincheck serve`: settings in, a server until it is told to stop.

mod banner;
pub mod commands;
mod descriptors;
mod ephemeral;
mod options;
mod server;

use std::{
    path::{Path, PathBuf},
    process::exit,
};

use clap::Args;
use raincheck_store::{BlobPlace, StoreOptions};

use super::{
    config::wrong,
    exit::{Exit, Failure},
    logging, notify,
    signals::{Order, Signals},
    stderr,
    style::{Ink, Style},
};
use crate::config::{Config, Flags, Said, StoreUrl, beside, sections::LogFormat, show::needs_restart, tree::Origin};

use ephemeral::Ephemeral;
pub use server::Server;

/// Options of `serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct Options {
    /// Address and port; port 0 takes a free one [default: 127.0.0.1:8202]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Folder of the whole state; beside PostgreSQL, of large payloads [default: ./raincheck-data]
    #[arg(long, env = "RAINCHECK_DATA", value_name = "FOLDER", conflicts_with = "ephemeral")]
    pub data: Option<PathBuf>,
    /// The database, as `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "URL", conflicts_with = "ephemeral")]
    pub store: Option<String>,
    /// The settings file; ./raincheck.toml, where there is one, if not said
    #[arg(long, env = "RAINCHECK_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How the server is reached from outside; begins every URL that it hands out
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// How log lines look [default: pretty on a terminal, else json]
    #[arg(long, value_enum)]
    pub log_format: Option<LogFormat>,
    /// Keep everything in a temporary folder that is removed at the end
    #[arg(long)]
    pub ephemeral: bool,
}

impl Options {
    fn flags(&self) -> Flags {
        let mut flags = Flags::new();
        let mut set = |path: &'static [&'static str], value: Option<String>, flag: &'static str| {
            flags.extend(value.map(|value| (path, value, flag)));
        };
        set(&["server", "listen"], self.listen.clone(), "--listen");
        set(&["server", "public_url"], self.public_url.clone(), "--public-url");
        // The address of a server says nothing about payloads; that of a file does, see below.
        let server = self.store.clone().filter(|store| !store.starts_with("sqlite:"));
        set(&["store", "url"], server, "--store");
        let format = self.log_format.map(|format| match format {
            LogFormat::Pretty => "pretty",
            LogFormat::Json => "json",
        });
        set(&["log", "format"], format.map(str::to_owned), "--log-format");
        flags
    }

    /// The settings, and a remark where a part of them is not followed.
    fn load(&self) -> Result<(Config, Option<String>), Failure> {
        let said = Said::read(self.config.as_deref()).map_err(wrong)?;
        let mut flags = self.flags();
        // As they would be if the command line named no data. `--data` alone means what they say of the kind of store.
        // Only a file's address on the command line makes up for what is wrong in them.
        let is_file = self.store.as_ref().is_some_and(|store| store.starts_with("sqlite:"));
        let alone = match said.with(&flags) {
            Err(faults) if !is_file => return Err(wrong(faults)),
            alone => alone.ok(),
        };
        self.place(alone.as_ref(), &mut flags)?;
        let config = said.with(&flags).map_err(wrong)?;
        let remark = alone.filter(|_| !self.ephemeral).and_then(|alone| set_aside(&alone, &config));
        Ok((config, remark))
    }

    /// Where the data is, as far as the command line says so. Large payloads are where the settings say, if those are about
    /// the same database; else they stand beside it.
    fn place(&self, alone: Option<&Config>, flags: &mut Flags) -> Result<(), Failure> {
        let said = alone.map(|alone| &alone.settings.store);
        let elsewhere = said.is_some_and(|said| said.url.is_postgres());
        let sqlite = |store: &String| store.strip_prefix("sqlite:").map(PathBuf::from);
        let (database, blobs, flag) = match (&self.data, &self.store) {
            (Some(_), Some(store)) if sqlite(store).is_some() => {
                return Err(Failure::usage("--data and --store sqlite:PATH both say where the database is")
                    .next("leave one of them out"));
            }
            (Some(data), None) if !elsewhere => {
                let database = data.join("raincheck.db");
                flags.push((&["store", "url"], StoreUrl::sqlite(&database).reveal().to_owned(), "--data"));
                (Some(database), data.join("blobs"), "--data")
            }
            // Beside PostgreSQL the folder holds large payloads.
            (Some(data), _) => (None, data.join("blobs"), "--data"),
            (None, Some(store)) => match sqlite(store) {
                Some(database) => {
                    flags.push((&["store", "url"], store.clone(), "--store"));
                    (Some(database.clone()), beside(&database), "--store")
                }
                None => return Ok(()),
            },
            (None, None) => return Ok(()),
        };
        let stay = said.is_some_and(|said| match database {
            Some(database) => said.url.sqlite_path().is_some_and(|path| is_same(&path, &database)),
            None => BlobPlace::is_bucket(&said.blobs),
        });
        if !stay {
            flags.push((&["store", "blobs"], blobs.display().to_string(), flag));
        }
        Ok(())
    }
}

/// What the settings alone say about large payloads that is not followed, because the command line names other data.
fn set_aside(alone: &Config, config: &Config) -> Option<String> {
    let (named, used) = (&alone.settings.store.blobs, &config.settings.store.blobs);
    let origin = alone.origin(&["store", "blobs"]);
    (origin != Origin::Default && named != used).then(|| {
        format!(
            "large payloads are taken from {used}, not from {named} as {origin} says: --data and --store name other data \
             than the settings do; leave them out to use the data of the settings"
        )
    })
}

/// Whether two paths lead to one file, there or not.
fn is_same(one: &Path, other: &Path) -> bool {
    let full = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
    full(one).is_some_and(|one| full(other) == Some(one))
}

/// The store that a server with these options would open, and its address.
///
/// # Errors
/// When the settings are wrong.
pub fn store(options: &Options) -> Result<(StoreUrl, StoreOptions), Failure> {
    let (config, remark) = options.load()?;
    if let Some(remark) = remark {
        stderr::say(&format!("{} {remark}", Style::stderr().paint(Ink::Yellow, "note:")));
    }
    let store = options::store(&config)?;
    Ok((config.settings.store.url, store))
}

/// Serves until it is told to stop.
pub async fn run(mut options: Options) -> Result<Exit, Failure> {
    let ephemeral = if options.ephemeral { Some(Ephemeral::new()?) } else { None };
    options.data = ephemeral.as_ref().map(Ephemeral::data).or(options.data);
    let (mut config, remark) = options.load()?;
    let terminal = Style::stderr().is_terminal();
    let format = config.settings.log.format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    logging::start(&config.settings.log.level, format);
    for remark in remark.into_iter().chain(commands::remark(&config)) {
        tracing::warn!("{remark}");
    }
    if ephemeral.is_some() {
        Ephemeral::sweep();
    }
    let mut signals = Signals::listen()?;
    let mut server = tokio::select! {
        server = Server::start(&config) => server?,
        // The start may wait for a database. Settings are read as it is.
        () = async { while signals.next().await == Order::Reload {} } => {
            tracing::info!("told to stop before the start was through");
            return Ok(Exit::Done);
        }
    };
    banner::show(&server, &config, options.ephemeral, terminal && format == LogFormat::Pretty);
    notify::ready();
    loop {
        tokio::select! {
            order = signals.next() => match order {
                Order::Reload => {
                    notify::reloading();
                    reload(&options, &mut config, &mut server).await;
                    notify::ready();
                }
                Order::Stop | Order::Gone => break,
            },
            failure = server.failed() => return Err(failure),
        }
    }
    notify::stopping();
    tracing::info!("draining; a second signal ends it now");
    tokio::select! {
        () = server.stop() => {}
        () = signals.stop() => {
            // The lock and the log of the database are made for this: the next start recovers.
            drop(ephemeral);
            exit(130);
        }
    }
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// Takes over what can change while running; the rest is named, and waits for a restart.
async fn reload(options: &Options, config: &mut Config, server: &mut Server) {
    if let Some(file) = options.config.as_deref().filter(|file| file.metadata().is_ok_and(|file| !file.is_file())) {
        // To read it again would wait for a writer that is gone.
        let error = format!("{} is no regular file and was read at the start", file.display());
        return tracing::error!(error, "the new settings are refused; the old ones stay");
    }
    let new = match options.load() {
        Ok((new, _)) => new,
        Err(failure) => {
            return tracing::error!(error = failure.message, "the new settings are refused; the old ones stay");
        }
    };
    if let Err(failure) = server.reload(config, &new).await {
        return tracing::error!(error = failure.message, "the new settings are refused; the old ones stay");
    }
    logging::reload(&new.settings.log.level);
    if let Some(remark) = commands::remark(&new) {
        tracing::warn!("{remark}");
    }
    let waits = needs_restart(config, &new);
    tracing::info!(needs_restart = waits.join(" "), "settings read again");
    *config = new;
}
