//! From settings to the options of store, engine and HTTP.

use std::{collections::HashMap, net::SocketAddr, path::Path, path::PathBuf};

use raincheck_core::{Defaults, KindDefaults, Method, Name, OnLost, Policy};
use raincheck_http::{HostPattern, KindOptions, Limits, Live, Options};
use raincheck_store::{BlobPlace, PostgresOptions, SqliteOptions, StoreOptions};

use crate::{
    cli::exit::Failure,
    config::{self, Config, Secret, defaults, kind},
};

/// The options of HTTP.
///
/// # Errors
/// A schema that can't be read any more.
pub fn http(config: &Config) -> Result<Options, Failure> {
    let (server, limits) = (&config.settings.server, &config.settings.limits);
    let listen: SocketAddr =
        server.listen.parse().map_err(|_| Failure::usage(format!("`{}` is not an address and port", server.listen)))?;
    // Built-in workers come in by the very address that it listens on.
    let own = (!listen.ip().is_unspecified()).then(|| listen.ip().to_string());
    let hosts = server.hosts.iter().cloned().chain(own).map(|host| HostPattern::read(&host).map_err(Failure::usage));
    let hosts = hosts.collect::<Result<_, _>>()?;
    Ok(Options {
        listen,
        public_url: server.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
        hosts,
        cors_origins: server.cors_origins.clone(),
        failed_status: server.failed_status,
        admin_token: server.admin_token.as_ref().map(|token| token.reveal().to_owned()),
        limits: Limits {
            json_body: limits.json_body.bytes(),
            batch_body: limits.batch_body.bytes(),
            file: limits.file.0,
            header_bytes: limits.headers.bytes(),
            connections: limits.connections,
            streams: limits.streams,
            wait: limits.wait.0,
            uploads: limits.uploads,
            slow: limits.slow.0,
            stalled: limits.stalled.0,
            idle: limits.idle.0,
        },
        kinds: Live::new(kinds(config)?),
    })
}

/// What a submit leaves out.
///
/// # Errors
/// A name that is none.
pub fn submit_defaults(config: &Config) -> Result<Defaults, Failure> {
    let settings = &config.settings;
    let mut all = Defaults {
        server: policy(&settings.defaults),
        auto_queues: settings.server.auto_queues,
        ..Defaults::default()
    };
    for (queue, options) in &settings.queues {
        all.queues.insert(name(queue)?, policy(&options.defaults()));
    }
    for (kind, options) in &settings.kinds {
        let method = options.method.map(|method| match method {
            kind::Method::Get => Method::Get,
            kind::Method::Post => Method::Post,
        });
        let queue = options.queue.as_deref().map(name).transpose()?;
        all.kinds.insert(name(kind)?, KindDefaults { queue, method, policy: policy(&options.defaults()) });
    }
    Ok(all)
}

/// What is said about kinds.
///
/// # Errors
/// A schema that can't be read any more.
pub fn kinds(config: &Config) -> Result<HashMap<Name, KindOptions>, Failure> {
    let kinds = config.settings.kinds.iter().map(|(kind, options)| {
        let schema = options.input_schema.as_deref().map(|path| config::schema::schema(Path::new(path)));
        let input_schema = schema.transpose().map_err(Failure::usage)?;
        Ok((name(kind)?, KindOptions { description: options.description.clone(), input_schema }))
    });
    kinds.collect()
}

/// A checked name as the core's type.
pub fn name(text: &str) -> Result<Name, Failure> {
    Name::new(text).map_err(|error| Failure::usage(format!("`{text}` can't be a name: it {error}")))
}

fn policy(defaults: &defaults::JobDefaults) -> Policy {
    Policy {
        timeout: defaults.timeout.map(|timeout| timeout.0),
        on_lost: defaults.on_lost.map(|on_lost| match on_lost {
            defaults::OnLost::Retry => OnLost::Retry,
            defaults::OnLost::Fail => OnLost::Fail,
        }),
        max_losses: defaults.max_losses,
        max_attempts: defaults.retry.max_attempts,
        retry_initial: defaults.retry.initial.map(|initial| initial.0),
        retry_factor: defaults.retry.factor,
        retry_max: defaults.retry.max.map(|max| max.0),
        retry_jitter: defaults.retry.jitter,
        keep_succeeded: defaults.retention.succeeded.map(|succeeded| succeeded.0),
        keep_failed: defaults.retention.failed.map(|failed| failed.0),
    }
}

/// The options of the store.
///
/// # Errors
/// When the address can't hold the password.
pub fn store(config: &Config) -> Result<StoreOptions, Failure> {
    let (store, limits) = (&config.settings.store, &config.settings.limits);
    let Some(path) = store.url.sqlite_path() else {
        let url = store.url.with_password(store.password.as_ref()).map_err(Failure::usage)?;
        let blobs = BlobPlace::read(&store.blobs, store.s3.options()).map_err(Failure::usage)?;
        return Ok(StoreOptions::Postgres(PostgresOptions {
            max_queued: limits.queued_per_queue,
            max_in_all: limits.queued,
            tombstone: store.tombstone.0,
            feed: config.settings.feed.retention(),
            // To read another kind of file again would wait for a writer that is gone.
            password_file: store
                .password
                .as_ref()
                .and_then(Secret::file)
                .filter(|file| file.is_file())
                .map(Path::to_path_buf),
            ..PostgresOptions::at(url, blobs)
        }));
    };
    let folder = path.parent().unwrap_or(Path::new(".")).to_path_buf();
    Ok(StoreOptions::Sqlite(SqliteOptions {
        path,
        blobs: PathBuf::from(&store.blobs),
        max_queued: limits.queued_per_queue,
        max_in_all: limits.queued,
        tombstone: store.tombstone.0,
        feed: config.settings.feed.retention(),
        reserve_bytes: store.reserve.0,
        ..SqliteOptions::in_folder(&folder)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Period, Settings};

    #[test]
    fn limits_of_bodies_reach_http() {
        let mut settings = Settings::default();
        (settings.limits.uploads, settings.limits.slow, settings.limits.stalled) = (7, Period(8), Period(9));
        settings.limits.idle = Period(10);
        let limits = http(&Config::of(settings)).unwrap().limits;
        assert_eq!((limits.uploads, limits.slow, limits.stalled, limits.idle), (7, 8, 9, 10));
    }
}
