//! The sections of the file: one struct each, one field a setting, its default beside it.

use std::{collections::BTreeMap, path::Path};

use raincheck_core::{FeedRetention, limits};
use raincheck_store::S3Options;
use serde::{Deserialize, Serialize};

use super::{Kind, Period, Queue, Secret, Size, StoreUrl, defaults::JobDefaults};

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Where it listens and who may come.
    pub server: Server,
    /// Where jobs live.
    pub store: Store,
    /// What stays of the change feed.
    pub feed: Feed,
    /// What it says about itself.
    pub log: Log,
    /// Sizes and numbers at which it refuses.
    pub limits: Limits,
    /// What a job gets that does not say otherwise, and neither does its queue or kind.
    pub defaults: JobDefaults,
    /// Queues that this file owns.
    pub queues: BTreeMap<String, Queue>,
    /// Kinds that this file knows.
    pub kinds: BTreeMap<String, Kind>,
}

impl Settings {
    /// Variables of the environment that secrets of this server were taken from.
    pub fn secret_variables(&self) -> Vec<&str> {
        /// What a storage is reached with that the settings say nothing about.
        const STORAGE: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
        let said = [&self.server.admin_token, &self.store.password, &self.store.s3.secret_access_key];
        said.into_iter().flatten().filter_map(Secret::variable).chain(STORAGE).collect()
    }
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// Address and port; port 0 takes a free one.
    pub listen: String,
    /// How the server is reached from outside: in `Location` and links. Without it, the accepted `Host` of a request.
    pub public_url: Option<String>,
    /// Further accepted `Host` values; loopback and `public_url` always are.
    pub hosts: Vec<String>,
    /// Origins whose pages may call, with a token.
    pub cors_origins: Vec<String>,
    /// Queues are made on first use; otherwise only those of this file and those made by PATCH are taken.
    pub auto_queues: bool,
    /// Status of GET for a failed job.
    pub failed_status: u16,
    /// Bearer token that every request then needs but those for `/livez`, `/readyz`, `/problems/` and `/assets/`.
    pub admin_token: Option<Secret>,
    /// On shutdown, commands of kinds get so long to end by themselves.
    pub grace: Period,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8202".to_owned(),
            public_url: None,
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            auto_queues: true,
            failed_status: 400,
            admin_token: None,
            grace: Period(4_000),
        }
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Store {
    /// `sqlite:PATH` of the database, or `postgres://USER@HOST/DATABASE`.
    pub url: StoreUrl,
    /// Password of the user of PostgreSQL.
    pub password: Option<Secret>,
    /// Folder of large inputs and results; with PostgreSQL also `s3://BUCKET/PREFIX`.
    pub blobs: String,
    /// How that bucket is reached; what is not said here is taken from the usual `AWS_*` variables.
    pub s3: S3,
    /// With less than this free on the disk, submits are refused and the rest is served.
    pub reserve: Size,
    /// How long a purged job still answers 410.
    pub tombstone: Period,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: StoreUrl::sqlite(Path::new("raincheck-data/raincheck.db")),
            password: None,
            blobs: "raincheck-data/blobs".to_owned(),
            s3: S3::default(),
            reserve: Size(64 << 20),
            tombstone: Period(limits::TOMBSTONE_MILLIS),
        }
    }
}

/// `s3` in `[store]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct S3 {
    /// Address of the storage, where it is not Amazon's.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Name of the key.
    pub access_key_id: Option<String>,
    /// The key itself.
    pub secret_access_key: Option<Secret>,
}

impl S3 {
    /// The options of the store, the secret itself with it.
    pub fn options(&self) -> S3Options {
        S3Options {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.as_ref().map(|secret| secret.reveal().to_owned()),
        }
    }
}

/// `[feed]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Feed {
    /// An event stays for so long when its job is forgotten.
    pub keep: Period,
    /// All events of forgotten jobs take no more.
    pub max: Size,
}

impl Default for Feed {
    fn default() -> Self {
        Self { keep: Period(limits::FEED_KEEP_MILLIS), max: Size(limits::FEED_BYTES) }
    }
}

impl Feed {
    /// The options of the store.
    pub fn retention(&self) -> FeedRetention {
        FeedRetention { keep: self.keep.0, max_bytes: self.max.0 }
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or by module: `info,raincheck_engine=debug`.
    pub level: String,
    /// For people or for programs; without it, `pretty` on a terminal and `json` elsewhere.
    pub format: Option<LogFormat>,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: None }
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Largest JSON body.
    pub json_body: Size,
    /// Largest body of a batch.
    pub batch_body: Size,
    /// Largest raw input and result.
    pub file: Size,
    /// Largest stream of an attempt.
    pub stream: Size,
    /// Largest log of a job.
    pub log: Size,
    /// Largest request head.
    pub headers: Size,
    /// Longest wait of a request.
    pub wait: Period,
    /// Waiting jobs in all.
    pub queued: u64,
    /// Waiting jobs in a queue that does not say otherwise.
    pub queued_per_queue: u64,
    /// Open connections.
    pub connections: usize,
    /// Open event streams.
    pub streams: usize,
    /// Raw inputs that go to files on their way in at once, and as many results.
    pub uploads: usize,
    /// Over how long a body must not bring less than 1 KiB a second.
    pub slow: Period,
    /// A connection whose other end takes nothing of an answer for so long is cut.
    pub stalled: Period,
    /// A connection is kept open for a further request for so long.
    pub idle: Period,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            json_body: Size(limits::JSON_BODY_BYTES as u64),
            batch_body: Size(limits::BATCH_BODY_BYTES as u64),
            file: Size(limits::FILE_BYTES),
            stream: Size(limits::STREAM_BYTES),
            log: Size(limits::LOG_BYTES),
            headers: Size(limits::HEADER_BYTES as u64),
            wait: Period(limits::WAIT_MILLIS),
            queued: limits::QUEUED_IN_ALL,
            queued_per_queue: limits::QUEUED_PER_QUEUE,
            connections: limits::CONNECTIONS,
            streams: limits::STREAMS,
            uploads: limits::UPLOADS,
            slow: Period(limits::SLOW_MILLIS),
            stalled: Period(limits::STALLED_MILLIS),
            idle: Period(limits::IDLE_MILLIS),
        }
    }
}
