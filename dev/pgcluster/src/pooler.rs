//! PgBouncer before a server.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::{Cluster, USER};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Ends with its standard input, and so with whoever has the other end.
const SCRIPT: &str = r#"PATH="$PATH:/usr/sbin"; pgbouncer -q "$1" & cat >/dev/null; kill $!; wait"#;

/// What a pooler hands out connections by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Each client has one of its own for as long as it stays.
    Session,
    /// Each transaction may get another. So many prepared statements are kept all the same, which versions before 1.21
    /// can't.
    Transaction {
        /// How many.
        statements: u32,
    },
}

/// A pooler; it ends with the value.
#[derive(Debug)]
pub struct Pooler {
    child: Child,
    port: u16,
}

impl Pooler {
    /// Starts one.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn start(cluster: &Cluster, pooling: Pooling) -> Result<Pooler> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let path = cluster.folder.join(format!("pooler-{port}.ini"));
        let mut settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user={USER}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n",
            cluster.port()
        );
        settings += match pooling {
            Pooling::Session => "pool_mode = session\ndefault_pool_size = 100\n",
            Pooling::Transaction { .. } => "pool_mode = transaction\n",
        };
        if let Pooling::Transaction { statements: statements @ 1.. } = pooling {
            settings += &format!("max_prepared_statements = {statements}\n");
        }
        std::fs::write(&path, settings).context("pooler.ini")?;
        cluster.account.own(&path)?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT, "pgcluster-pooler"]).arg(&path).current_dir("/");
        cluster.account.become_(&mut shell);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let pooler = Pooler { child: shell.spawn().context("sh does not run")?, port };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(begin.elapsed() < PATIENCE, "pgbouncer did not start; on Debian: apt-get install -y pgbouncer");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(pooler)
    }

    /// Whether the installed one can keep prepared statements.
    ///
    /// # Errors
    /// When there is none.
    pub fn keeps_statements() -> Result<bool> {
        let output = Command::new("sh").args(["-c", r#"PATH="$PATH:/usr/sbin"; pgbouncer --version"#]).output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = said.split_whitespace().nth(1).context("pgbouncer does not run")?;
        let mut numbers = version.split('.').map(str::parse::<u32>);
        let (major, minor) = (numbers.next().context("no version")??, numbers.next().context("no version")??);
        Ok((major, minor) >= (1, 21))
    }

    /// The address of a database by way of it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Nobody is left to tell.
        let _ = self.child.wait();
    }
}
