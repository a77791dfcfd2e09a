//! `raincheck serve`: settings in, a server until it is told to stop.

mod banner;
mod commands;
mod descriptors;
mod ephemeral;
mod options;
mod server;

use std::{path::PathBuf, process::exit};

use clap::Args;
use raincheck_store::{BlobPlace, StoreOptions};

use super::{
    config::load,
    exit::{Exit, Failure},
    logging,
    signals::{Signals, Told},
    style::Style,
};
use crate::config::{Config, Flags, StoreUrl, sections::LogFormat, show::needs_restart};

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
        if let Some(store) = &self.store {
            set(&["store", "url"], Some(store.clone()), "--store");
            // Large payloads stand beside the database that they belong to.
            let folder = store
                .strip_prefix("sqlite:")
                .map(PathBuf::from)
                .and_then(|path| path.parent().map(|folder| folder.join("blobs")));
            set(&["store", "blobs"], folder.map(|folder| folder.display().to_string()), "--store");
        }
        let format = self.log_format.map(|format| match format {
            LogFormat::Pretty => "pretty",
            LogFormat::Json => "json",
        });
        set(&["log", "format"], format.map(str::to_owned), "--log-format");
        flags
    }

    fn load(&self) -> Result<Config, Failure> {
        let mut flags = self.flags();
        if let Some(data) = &self.data {
            let file = self.config.as_deref();
            // Beside PostgreSQL the folder holds large payloads, unless they are said to be in a bucket; otherwise it holds
            // everything, whatever the file says.
            let said = load(file, &flags)?.settings.store;
            let elsewhere = said.url.is_postgres();
            let in_bucket = elsewhere && BlobPlace::is_bucket(&said.blobs);
            match &self.store {
                Some(store) if store.starts_with("sqlite:") => {
                    return Err(Failure::usage("--data and --store sqlite:PATH both say where the database is")
                        .next("leave one of them out"));
                }
                None if !elsewhere => {
                    let url = StoreUrl::sqlite(&data.join("raincheck.db"));
                    flags.push((&["store", "url"], url.reveal().to_owned(), "--data"));
                }
                _ => {}
            }
            if !in_bucket {
                flags.push((&["store", "blobs"], data.join("blobs").display().to_string(), "--data"));
            }
        }
        load(self.config.as_deref(), &flags)
    }
}

/// The store that a server with these options would open, and its address.
///
/// # Errors
/// When the settings are wrong.
pub fn store(options: &Options) -> Result<(StoreUrl, StoreOptions), Failure> {
    let config = options.load()?;
    let store = options::store(&config)?;
    Ok((config.settings.store.url, store))
}

/// Serves until it is told to stop.
pub async fn run(mut options: Options) -> Result<Exit, Failure> {
    let ephemeral = if options.ephemeral { Some(Ephemeral::new()?) } else { None };
    options.data = ephemeral.as_ref().map(Ephemeral::data).or(options.data);
    let mut config = options.load()?;
    let terminal = Style::stderr().is_terminal();
    let format = config.settings.log.format.unwrap_or(if terminal { LogFormat::Pretty } else { LogFormat::Json });
    logging::start(&config.settings.log.level, format);
    if ephemeral.is_some() {
        Ephemeral::sweep();
    }
    let mut signals = Signals::listen()?;
    let mut server = Server::start(&config).await?;
    banner::show(&server, &config, options.ephemeral, terminal && format == LogFormat::Pretty);
    loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Reload => reload(&options, &mut config, &mut server).await,
                Told::Stop => break,
            },
            failure = server.failed() => return Err(failure),
        }
    }
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
        Ok(new) => new,
        Err(failure) => {
            return tracing::error!(error = failure.message, "the new settings are refused; the old ones stay");
        }
    };
    if let Err(failure) = server.reload(config, &new).await {
        return tracing::error!(error = failure.message, "the new settings are refused; the old ones stay");
    }
    logging::reload(&new.settings.log.level);
    let waits = needs_restart(config, &new);
    tracing::info!(needs_restart = waits.join(" "), "settings read again");
    *config = new;
}
