//! A network between servers and their database: it leads elsewhere, stands still, ends sessions, and loses what it
//! carries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::USER;

/// A commit as clients send it, and as a server confirms it.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";

/// The way to one port of 127.0.0.1, until it is led to another. It goes on by itself, on a thread of its own, and ends
/// with the value.
#[derive(Debug)]
pub struct Proxy {
    at: SocketAddr,
    rules: Arc<watch::Sender<Rules>>,
    runtime: Option<Runtime>,
}

/// What happens to what comes.
#[derive(Debug, Default)]
struct Rules {
    /// Where new sessions are led to.
    port: u16,
    /// Sessions so far, which is the number of the next one.
    sessions: u64,
    /// Sessions with lower numbers are over.
    ended: u64,
    /// From sessions with lower numbers nothing gets through any more.
    lost: u64,
    /// Nor from new ones.
    loses_new: bool,
    /// Nothing gets through for now.
    is_frozen: bool,
    /// The commit whose answer is lost.
    doomed: Option<Doomed>,
    commits_lost: u64,
}

/// A commit that is done and not answered.
#[derive(Clone, Debug)]
struct Doomed {
    /// Sent in its transaction, and in no other.
    mark: Arc<[u8]>,
    /// Where new sessions are led to from then on.
    then: u16,
}

impl Rules {
    fn is_lost(&self, session: u64) -> bool {
        session < self.lost
    }
}

impl Proxy {
    /// Begins to pass on what comes for `port`.
    ///
    /// # Errors
    /// When there is no port to listen on, or no thread.
    pub fn to(port: u16) -> Result<Proxy> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("proxy").enable_io().build()?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let at = listener.local_addr()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let rules = Arc::new(watch::Sender::new(Rules { port, ..Rules::default() }));
        runtime.spawn(serve(listener, Arc::clone(&rules)));
        Ok(Proxy { at, rules, runtime: Some(runtime) })
    }

    /// The address of a database by way of it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@{}/{database}", self.at)
    }

    /// Leads new sessions to another port. Those that are open go on as they are.
    pub fn lead(&self, port: u16) {
        self.rules.send_modify(|rules| rules.port = port);
    }

    /// Ends every session.
    pub fn cut(&self) {
        self.rules.send_modify(|rules| rules.ended = rules.sessions);
    }

    /// Passes on nothing: who connects is let in and gets no answer.
    pub fn freeze(&self) {
        self.rules.send_modify(|rules| rules.is_frozen = true);
    }

    /// Passes on everything again, what was sent meanwhile as well: nothing was lost, it was only late.
    pub fn thaw(&self) {
        self.rules.send_modify(|rules| rules.is_frozen = false);
    }

    /// From now on all that is sent is lost, and nobody is told.
    pub fn lose(&self) {
        self.rules.send_modify(|rules| (rules.lost, rules.loses_new) = (rules.sessions, true));
    }

    /// New sessions get through again. Those that have lost something never will.
    pub fn clear(&self) {
        self.rules.send_modify(|rules| (rules.lost, rules.loses_new) = (rules.sessions, false));
    }

    /// Loses the answer to one commit, that of the transaction in which `mark` is sent: once it is done, every session
    /// ends, and new ones are led to the port `then`.
    pub fn lose_commit(&self, mark: &str, then: u16) {
        let doomed = Doomed { mark: mark.as_bytes().into(), then };
        self.rules.send_modify(|rules| rules.doomed = Some(doomed));
    }

    /// How many answers to commits were lost.
    pub fn commits_lost(&self) -> u64 {
        self.rules.borrow().commits_lost
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Not waited for: that is not allowed where tasks run.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, rules: Arc<watch::Sender<Rules>>) {
    while let Ok((here, _)) = listener.accept().await {
        let mut number = 0;
        rules.send_modify(|rules| {
            number = rules.sessions;
            rules.sessions += 1;
            if rules.loses_new {
                rules.lost = rules.sessions;
            }
        });
        let session = Session { number, rules: Arc::clone(&rules), is_mute: Arc::default() };
        tokio::spawn(session.pass(here));
    }
}

/// One connection through it.
#[derive(Clone)]
struct Session {
    number: u64,
    rules: Arc<watch::Sender<Rules>>,
    /// Its commit has been sent on, and nothing that is answered from then on is told.
    is_mute: Arc<AtomicBool>,
}

impl Session {
    /// Passes on in both ways until either ends.
    async fn pass(self, here: TcpStream) {
        let mut rules = self.rules.subscribe();
        let pass = async {
            self.gets_through().await?;
            let port = self.rules.borrow().port;
            let there = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
            here.set_nodelay(true).and_then(|()| there.set_nodelay(true)).ok()?;
            let ((from_here, to_here), (from_there, to_there)) = (here.into_split(), there.into_split());
            tokio::select! {
                done = self.ask(from_here, to_there) => done,
                done = self.answer(from_there, to_here) => done,
            }
        };
        tokio::select! {
            _ = pass => {}
            _ = rules.wait_for(|rules| self.number < rules.ended) => {}
        }
    }

    /// Waits while the way is frozen, for ever when this session is lost.
    async fn gets_through(&self) -> Option<()> {
        let mut rules = self.rules.subscribe();
        let open = rules.wait_for(|rules| !rules.is_frozen || rules.is_lost(self.number));
        let is_lost = open.await.ok()?.is_lost(self.number);
        if is_lost {
            std::future::pending::<()>().await;
        }
        Some(())
    }

    /// What the client says.
    async fn ask(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> Option<()> {
        let (mut bytes, mut recent, mut is_marked) = (vec![0; 64 << 10], Recent::default(), false);
        loop {
            let read = from.read(&mut bytes).await.unwrap_or(0);
            self.gets_through().await?;
            if read == 0 {
                return None;
            }
            let doomed = self.rules.borrow().doomed.clone();
            if let Some(doomed) = doomed {
                recent.add(&bytes[..read]);
                is_marked = is_marked || recent.take_to(&doomed.mark);
                if is_marked && recent.take_to(COMMIT) {
                    self.is_mute.store(true, Ordering::Release);
                }
            }
            to.write_all(&bytes[..read]).await.ok()?;
        }
    }

    /// What the server says.
    async fn answer(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> Option<()> {
        let (mut bytes, mut recent) = (vec![0; 64 << 10], Recent::default());
        loop {
            let read = from.read(&mut bytes).await.unwrap_or(0);
            self.gets_through().await?;
            if read == 0 {
                return None;
            }
            if !self.is_mute.load(Ordering::Acquire) {
                to.write_all(&bytes[..read]).await.ok()?;
                continue;
            }
            recent.add(&bytes[..read]);
            if recent.take_to(COMMITTED) {
                self.rules.send_modify(|rules| {
                    rules.ended = rules.sessions;
                    rules.commits_lost += 1;
                    if let Some(doomed) = rules.doomed.take() {
                        rules.port = doomed.then;
                    }
                });
            }
        }
    }
}

/// What went by last, so that what comes in two parts is found too.
#[derive(Default)]
struct Recent(Vec<u8>);

impl Recent {
    fn add(&mut self, bytes: &[u8]) {
        // Longer than whatever is looked for.
        const KEPT: usize = 1_024;
        self.0.drain(..self.0.len().saturating_sub(KEPT));
        self.0.extend_from_slice(bytes);
    }

    /// Forgets everything up to the end of these bytes; whether they are there.
    fn take_to(&mut self, wanted: &[u8]) -> bool {
        let at = self.0.windows(wanted.len()).position(|window| window == wanted);
        if let Some(at) = at {
            self.0.drain(..at + wanted.len());
        }
        at.is_some()
    }
}
