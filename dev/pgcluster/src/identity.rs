//! Whom a server shows itself as to those who connect by TLS.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};

use crate::account::Account;

/// A certificate and its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: String,
}

impl Identity {
    /// Writes it into `folder`, for the server alone to read; answers the settings that name it.
    pub(crate) fn lay(&self, folder: &Path, account: &Account) -> Result<Vec<(String, String)>> {
        let mut settings = vec![("ssl".to_owned(), "on".to_owned())];
        let files = [("ssl_cert_file", "server.crt", &self.certificate), ("ssl_key_file", "server.key", &self.key)];
        for (setting, name, text) in files {
            let path = folder.join(name);
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).context(name)?;
            file.write_all(text.as_bytes()).context(name)?;
            account.own(&path)?;
            settings.push((setting.to_owned(), path.to_str().context("a folder with an unreadable name")?.to_owned()));
        }
        Ok(settings)
    }
}
