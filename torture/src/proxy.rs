//! A network between a server and its database that can swallow everything, without ending a connection.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The way to one port of 127.0.0.1. It ends with the runtime.
pub struct Proxy {
    at: SocketAddr,
    is_dark: watch::Sender<bool>,
}

impl Proxy {
    /// Begins to pass on what comes for `port`.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let at = listener.local_addr()?;
        let (is_dark, dark) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((here, _)) = listener.accept().await {
                tokio::spawn(pass(here, port, dark.clone()));
            }
        });
        Ok(Proxy { at, is_dark })
    }

    /// The same address by way of it.
    pub fn address(&self, url: &str, port: u16) -> Result<String> {
        let (from, to) = (format!("127.0.0.1:{port}"), self.at.to_string());
        url.contains(&from).then(|| url.replacen(&from, &to, 1)).context("the address is of another port")
    }

    /// From now on nothing gets through.
    pub fn swallow(&self) {
        self.is_dark.send_replace(true);
    }

    /// All gets through again, what was sent meanwhile as well: nothing was lost, it was only late.
    pub fn clear(&self) {
        self.is_dark.send_replace(false);
    }
}

/// Passes on in both ways until either ends.
async fn pass(here: TcpStream, port: u16, mut dark: watch::Receiver<bool>) {
    if dark.wait_for(|dark| !dark).await.is_err() {
        return;
    }
    let Ok(there) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let ((from_here, to_here), (from_there, to_there)) = (here.into_split(), there.into_split());
    tokio::select! {
        () = one_way(from_here, to_there, dark.clone()) => {}
        () = one_way(from_there, to_here, dark) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut dark: watch::Receiver<bool>) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if dark.wait_for(|dark| !dark).await.is_err() || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
