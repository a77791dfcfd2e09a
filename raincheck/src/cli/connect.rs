//! Which server a command speaks to.

use std::convert::Infallible;

use clap::Args;
use raincheck_client::{Client, client::Outage};

use super::{bars, exit::Failure, style::tame};

/// Options of every command that speaks to a server.
#[derive(Args, Clone, Debug)]
pub struct Connect {
    /// The server's URL; HOST:PORT alone is one of http.
    #[arg(
        long,
        global = true,
        env = "RAINCHECK_SERVER",
        default_value = "http://127.0.0.1:8202",
        value_name = "URL",
        value_parser = url,
        help_heading = "Server"
    )]
    pub server: String,
    /// Bearer token, where the server wants one.
    #[arg(
        long,
        global = true,
        env = "RAINCHECK_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        help_heading = "Server"
    )]
    pub token: Option<String>,
}

impl Connect {
    /// A client of that server.
    ///
    /// # Errors
    /// When the URL or the token can't be used.
    pub fn client(&self) -> Result<Client, Failure> {
        let token = self.token.clone().filter(|token| !token.is_empty());
        Ok(Client::builder(&self.server).maybe_token(token).on_outage(tell).build()?)
    }
}

/// A URL, whose scheme may be left out.
fn url(text: &str) -> Result<String, Infallible> {
    Ok(if text.contains("://") { text.to_owned() } else { format!("http://{text}") })
}

/// Who waits for a server that is away learns that it is, and what would help.
fn tell(outage: Outage<'_>) {
    match outage {
        Outage::Begins(error) => {
            let Failure { message, next, .. } = Failure::of(error);
            let next = next.map(|next| format!("\nnext: {}", tame(&next))).unwrap_or_default();
            bars::say(&format!("waiting: {}; trying on{next}", tame(&message)));
        }
        Outage::Over => bars::say("the server is back"),
        _ => {}
    }
}
