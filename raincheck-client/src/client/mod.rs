//! The client: one method for one request of the contract.
//!
//! A method that only asks once reports a broken connection as [`Error::Unreachable`];
//! waits, events, streams and results reconnect by themselves, because what they follow is numbered, and batches ask again,
//! because they have a name.

mod body;
mod bytes;
mod call;
mod control;
mod events;
#[cfg(test)]
mod fuzz;
mod leases;
mod operate;
mod outage;
mod patience;
mod read;
mod readers;
mod result;
mod submit;
mod wait;

use std::{sync::Arc, time::Duration};

pub use body::Body;
pub use bytes::{ByteFeed, Chunk};
pub use events::{EventFeed, EventFilter};
pub use leases::{Input, ResultBody};
pub use outage::Outage;
pub use readers::Expect;
pub use reqwest::Method as HttpMethod;
pub use result::ResultInfo;
pub use submit::Submitted;

use crate::Error;

/// A server, as seen by one token. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    /// Without a slash at its end.
    base: String,
    authorization: Option<reqwest::header::HeaderValue>,
    outages: outage::Outages,
}

impl std::fmt::Debug for Client {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("url", &self.shared.base).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at `url`, for example `http://127.0.0.1:8202`; a path in it is kept as a prefix.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            url: url.into(),
            token: None,
            user_agent: None,
            connect_timeout: Duration::from_secs(10),
            listener: None,
        }
    }

    /// The server's base URL, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.shared.base
    }
}

/// Makes a [`Client`].
#[derive(Clone)]
#[must_use]
pub struct ClientBuilder {
    url: String,
    token: Option<String>,
    user_agent: Option<String>,
    connect_timeout: Duration,
    listener: Option<outage::Listener>,
}

impl ClientBuilder {
    /// Sends this bearer token with every request.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Sends this bearer token, if there is one.
    pub fn maybe_token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    /// Calls itself so in `User-Agent`.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = Some(name.into());
        self
    }

    /// How long a connection may take to be made; 10 s if not said.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Tells `listener` when a wait, feed, stream or result is tried again, because the server is away: once at its
    /// beginning, and once when it is over.
    pub fn on_outage(mut self, listener: impl Fn(Outage<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(outage::Listener(Arc::new(listener)));
        self
    }

    /// The client. No connection is made yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] when the URL is not `http` or `https`, or the token cannot be a header.
    pub fn build(self) -> Result<Client, Error> {
        let url = reqwest::Url::parse(&self.url)
            .map_err(|error| Error::Configuration(format!("`{}` is not a URL: {error}", self.url)))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(Error::Configuration(format!("`{}` is not an http or https URL", self.url)));
        }
        let authorization = self.token.map(|token| {
            let mut value = reqwest::header::HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| Error::Configuration("the token holds characters that no token has".into()))?;
            value.set_sensitive(true);
            Ok::<_, Error>(value)
        });
        // No proxy from the environment and no redirect: the token goes to this server and nowhere else.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(30))
            .pool_max_idle_per_host(64)
            .user_agent(self.user_agent.unwrap_or_else(|| concat!("raincheck/", env!("CARGO_PKG_VERSION")).to_owned()))
            .build()
            .map_err(|error| Error::Configuration(format!("cannot make an HTTP client: {error}")))?;
        let mut base = url;
        base.set_query(None);
        base.set_fragment(None);
        let base = base.as_str().trim_end_matches('/').to_owned();
        let outages = outage::Outages::of(self.listener);
        Ok(Client { shared: Arc::new(Shared { http, base, authorization: authorization.transpose()?, outages }) })
    }
}
