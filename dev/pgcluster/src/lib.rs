//! Throw-away PostgreSQL servers for tests: made from the machine's own programs, listening on a free port of
//! 127.0.0.1, gone with the process that started them, however that ends. One can follow another and take its place; the
//! network before them can fail.
//!
//! ```no_run
//! let database = pgcluster::Cluster::shared().database()?;
//! println!("{}", database.url());
//! # Ok::<(), anyhow::Error>(())
//! ```

mod account;
mod database;
mod identity;
mod keeper;
mod pooler;
mod postmaster;
mod programs;
mod proxy;
mod settings;
mod standby;

pub use database::Database;
pub use identity::Identity;
pub use pooler::{Pooler, Pooling};
pub use programs::{OLDEST, Programs};
pub use proxy::Proxy;
pub use settings::{Settings, Stop};
pub use standby::Replication;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;

use account::Account;
use keeper::Keeper;
use postmaster::Postmaster;

/// The superuser of every cluster; it needs no password.
pub const USER: &str = "raincheck";

/// A cluster of databases and, most of the time, a server on it.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    account: Account,
    settings: Settings,
    folder: PathBuf,
    port: Mutex<u16>,
    server: Mutex<Option<Postmaster>>,
    databases: AtomicU64,
    keeper: Keeper,
}

impl Cluster {
    /// Makes a new, empty cluster and starts its server.
    ///
    /// # Errors
    /// When there is no PostgreSQL, with what to install; when it can't be started, with what it said.
    pub fn start(settings: Settings) -> Result<Cluster> {
        Cluster::make(settings, initdb)
    }

    /// Starts a server on the files that `fill` puts into the folder `data` of the one that it is given.
    fn make(mut settings: Settings, fill: impl FnOnce(&Programs, &Account, &Path) -> Result<()>) -> Result<Cluster> {
        let programs = Programs::find()?;
        let account = Account::ordinary()?;
        let home = settings.home();
        let folder =
            tempfile::Builder::new().prefix("pgcluster-").tempdir_in(home).context("no folder for a cluster")?;
        let folder = folder.keep();
        // From here on it removes the folder, whatever happens.
        let keeper = Keeper::watch(&folder)?;
        account.own(&folder)?;
        fill(&programs, &account, &folder)?;
        if let Some(identity) = &settings.identity {
            let paths = identity.lay(&folder, &account)?;
            settings.more.splice(0..0, paths);
        }
        let cluster = Cluster {
            programs,
            account,
            settings,
            folder,
            port: Mutex::new(0),
            server: Mutex::default(),
            databases: AtomicU64::new(0),
            keeper,
        };
        cluster.resume()?;
        Ok(cluster)
    }

    /// The one of this process, without `fsync`: started at the first call, stopped when the process is gone.
    ///
    /// # Panics
    /// When it can't be started: a test without its server can only fail.
    pub fn shared() -> &'static Cluster {
        static SHARED: LazyLock<Cluster> = LazyLock::new(|| match Cluster::start(Settings::default()) {
            Ok(cluster) => cluster,
            Err(error) => panic!("{error:#}"),
        });
        &SHARED
    }

    /// Starts the server of a stopped cluster, on the port it had; waits until it takes connections.
    ///
    /// # Errors
    /// When it can't be started, with what it said.
    pub fn resume(&self) -> Result<()> {
        let mut server = self.server.lock();
        ensure!(server.is_none(), "the server runs already");
        let mut port = self.port.lock();
        let started = Postmaster::start(&self.programs, &self.account, &self.data(), &self.settings, *port)?;
        *port = started.port();
        *server = Some(started);
        Ok(())
    }

    /// Stops the server; nothing happens when it is stopped.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&self, how: Stop) -> Result<()> {
        let Some(server) = self.server.lock().take() else { return Ok(()) };
        server.stop(how)?;
        if how == Stop::Kill { self.remove() } else { Ok(()) }
    }

    /// Removes what a killed server has left beside its files: the next one would do so, but there may be none.
    fn remove(&self) -> Result<()> {
        let path = self.data().join("postmaster.pid");
        let left = std::fs::read_to_string(&path).context("postmaster.pid")?;
        let segment = left.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)).context("no segment")?;
        let output = Command::new("ipcrm").args(["--shmem-id", segment]).output().context("ipcrm does not run")?;
        ensure!(output.status.success(), "ipcrm: {}", String::from_utf8_lossy(&output.stderr).trim());
        std::fs::remove_file(path).context("postmaster.pid")
    }

    /// Stops the server and starts it again, on the same port.
    ///
    /// # Errors
    /// When it does not end, or can't be started.
    pub fn restart(&self, how: Stop) -> Result<()> {
        self.stop(how)?;
        self.resume()
    }

    /// Stops the server's processes where they are: connections stay open, and nothing is answered until
    /// [`Cluster::thaw`].
    ///
    /// # Errors
    /// When the server does not run.
    pub fn freeze(&self) -> Result<()> {
        self.server.lock().as_ref().context("the server does not run")?.freeze()
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn thaw(&self) -> Result<()> {
        self.server.lock().as_ref().context("the server does not run")?.thaw()
    }

    /// Shows itself as somebody else from the next connection on; soon, as it is told and not asked.
    ///
    /// # Errors
    /// When the server does not run, or offers no TLS.
    pub fn show_as(&self, identity: &Identity) -> Result<()> {
        ensure!(self.settings.identity.is_some(), "the server offers no TLS");
        identity.lay(&self.folder, &self.account)?;
        self.run("postgres", "SELECT pg_reload_conf()").map(drop)
    }

    /// Its version, as `15`.
    pub fn version(&self) -> u32 {
        self.programs.version()
    }

    /// The port of 127.0.0.1 that it listens on.
    pub fn port(&self) -> u16 {
        *self.port.lock()
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port())
    }

    /// Carries out SQL as the superuser; answers the rows, a line each, `|` between columns.
    ///
    /// # Errors
    /// What the server said against it; none of the statements happened then.
    pub fn run(&self, database: &str, sql: &str) -> Result<String> {
        let output = self.psql(database, sql).output().context("psql does not run")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// The program that carries out SQL in a database.
    fn psql(&self, database: &str, sql: &str) -> Command {
        let mut psql = Command::new(self.programs.path("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set", "ON_ERROR_STOP=1"]);
        psql.args(["--dbname", &self.url(database), "--command", sql]).stdin(Stdio::null());
        psql
    }

    /// Ends every connection to a database, as a firewall or an administrator would; answers how many there were.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn disconnect(&self, database: &str) -> Result<usize> {
        let sql = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname='{database}' AND pid<>pg_backend_pid()"
        );
        Ok(self.run("postgres", &sql)?.parse()?)
    }

    /// What its server said last, a line each.
    pub fn said(&self) -> Vec<String> {
        self.server.lock().as_ref().map(Postmaster::said).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The keeper ends what is left, so a server that does not stop is no reason to fail here.
        let _ = self.stop(Stop::Immediate);
        self.keeper.finish();
    }
}

/// Makes the files. Names are ordered by language, as on most real servers, so that whoever takes that for the order of
/// bytes is found out.
fn initdb(programs: &Programs, account: &Account, folder: &Path) -> Result<()> {
    let mut initdb = Command::new(programs.path("initdb"));
    initdb.arg("--pgdata").arg(folder.join("data")).args(["--username", USER, "--auth", "trust"]);
    initdb.args(["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]);
    if programs.version() >= 15 {
        initdb.args(["--locale-provider", "icu", "--icu-locale", "en-US"]);
    }
    account.become_(&mut initdb);
    let output = initdb.stdin(Stdio::null()).current_dir("/").output().context("initdb does not run")?;
    ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
