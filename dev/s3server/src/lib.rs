//! A throw-away server that speaks the protocol of S3, listening on a free port of 127.0.0.1. Its objects are files in a
//! temporary folder, gone with it.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// The only bucket.
pub const BUCKET: &str = "payloads";
/// Who may use it.
pub const ACCESS_KEY_ID: &str = "raincheck";
/// The secret of [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "a-secret-that-nobody-is-shown";

/// A server of its own, with one empty bucket.
pub struct S3Server {
    address: SocketAddr,
    folder: TempDir,
    is_up: watch::Sender<bool>,
    runtime: Option<Runtime>,
}

impl S3Server {
    /// Starts one.
    ///
    /// # Errors
    /// When there is no folder, port or thread to be had.
    pub fn start() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join(BUCKET))?;
        let objects = FileSystem::new(folder.path()).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut service = S3ServiceBuilder::new(objects);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        // Threads of its own, so that it answers whatever the runtime of a test does.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let within = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        let (is_up, up) = watch::channel(true);
        runtime.spawn(listen(listener, service.build(), up));
        drop(within);
        Ok(S3Server { address, folder, is_up, runtime: Some(runtime) })
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts every connection, and every new one, until it is told otherwise.
    pub fn set_up(&self, is_up: bool) {
        self.is_up.send_replace(is_up);
    }

    /// The keys of all objects below a prefix, sorted.
    ///
    /// # Errors
    /// When its folder can't be read.
    pub fn keys(&self, prefix: &str) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        collect(&self.folder.path().join(BUCKET), "", &mut keys)?;
        keys.retain(|key| key.starts_with(prefix));
        keys.sort();
        Ok(keys)
    }

    /// Puts an object there, whatever it is.
    ///
    /// # Errors
    /// When its folder can't be written.
    pub fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.folder.path().join(BUCKET).join(key);
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(path, bytes)
    }

    /// Takes the bucket away, with all that is in it.
    ///
    /// # Errors
    /// When its folder can't be removed.
    pub fn remove_bucket(&self) -> io::Result<()> {
        fs::remove_dir_all(self.folder.path().join(BUCKET))
    }

    /// How many parts of unfinished uploads it keeps, of all prefixes.
    ///
    /// # Errors
    /// When its folder can't be read.
    pub fn parts(&self) -> io::Result<usize> {
        let mut parts = 0;
        for file in fs::read_dir(self.folder.path())? {
            parts += usize::from(file?.file_name().to_string_lossy().contains(".part-"));
        }
        Ok(parts)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A test drops it on a thread that must not wait.
            runtime.shutdown_background();
        }
    }
}

fn collect(folder: &Path, above: &str, keys: &mut Vec<String>) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        let file = file?;
        let key = format!("{above}{}", file.file_name().to_string_lossy());
        match file.file_type()?.is_dir() {
            true => collect(&file.path(), &format!("{key}/"), keys)?,
            false => keys.push(key),
        }
    }
    Ok(())
}

async fn listen(listener: TcpListener, service: S3Service, up: watch::Receiver<bool>) {
    // An error ends the server, and the test that needs it.
    while let Ok((connection, _)) = listener.accept().await {
        tokio::spawn(serve(connection, service.clone(), up.clone()));
    }
}

async fn serve(connection: TcpStream, service: S3Service, mut up: watch::Receiver<bool>) {
    let server = Builder::new(TokioExecutor::new());
    let served = server.serve_connection(TokioIo::new(connection), service);
    tokio::select! {
        biased;
        // The server is gone when nobody can tell any more.
        _ = up.wait_for(|up| !up) => {}
        // A client that breaks off is its own affair.
        _ = served => {}
    }
}
