//! Which server a command speaks to.

use clap::Args;
use raincheck_client::Client;

use super::exit::Failure;

/// Options of every command that speaks to a server.
#[derive(Args, Clone, Debug)]
pub struct Connect {
    /// The server's URL.
    #[arg(
        long,
        global = true,
        env = "RAINCHECK_SERVER",
        default_value = "http://127.0.0.1:8202",
        value_name = "URL",
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
        Ok(Client::builder(&self.server).maybe_token(token).build()?)
    }
}
