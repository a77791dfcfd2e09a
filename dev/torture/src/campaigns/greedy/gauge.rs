//! What a server takes and how it answers, looked at all the time from a thread of its own.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use parking_lot::Mutex;
use rustix::process::Pid;

/// Pause between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Somebody who waits longer for `/livez` need not know how much longer.
const DEAF: Duration = Duration::from_secs(20);

/// The most that was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peaks {
    /// Resident memory, MiB.
    pub resident: u64,
    /// Threads.
    pub threads: u64,
    /// How long `/livez` took.
    pub live: Duration,
    /// How long the same took from somebody who does nothing else, at the same time on the same machine.
    pub bare: Duration,
}

impl Peaks {
    /// The greater of each.
    pub fn max(self, other: Peaks) -> Peaks {
        Peaks {
            resident: self.resident.max(other.resident),
            threads: self.threads.max(other.threads),
            live: self.live.max(other.live),
            bare: self.bare.max(other.bare),
        }
    }
}

/// Looks until it is dropped.
pub struct Gauge {
    pid: Pid,
    peaks: Arc<Mutex<Peaks>>,
    stop: Arc<AtomicBool>,
    bare: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

impl Gauge {
    /// Looks at a process that listens there.
    pub fn start(pid: Pid, address: SocketAddr) -> Result<Self> {
        let (peaks, stop) = (Arc::new(Mutex::new(look(pid)?)), Arc::new(AtomicBool::new(false)));
        let watch = |mut look: Box<dyn FnMut() -> Peaks + Send>| {
            let (peaks, stop) = (peaks.clone(), stop.clone());
            std::thread::spawn(move || {
                while !stop.load(Relaxed) {
                    let seen = look();
                    let mut peaks = peaks.lock();
                    *peaks = peaks.max(seen);
                    drop(peaks);
                    std::thread::sleep(POLL_INTERVAL);
                }
            })
        };
        // A process that is gone takes nothing; who asks it notices that.
        let taken = watch(Box::new(move || look(pid).unwrap_or_default()));
        let counted = watch(Box::new(move || Peaks { live: live(address), ..Peaks::default() }));
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let other = listener.local_addr()?;
        let compared = watch(Box::new(move || Peaks { bare: live(other), ..Peaks::default() }));
        let is_over = stop.clone();
        let answers = std::thread::spawn(move || answer(&listener, &is_over));
        Ok(Self { pid, peaks, stop, bare: other, threads: vec![taken, counted, compared, answers] })
    }

    /// The most since the last call.
    pub fn take(&self) -> Peaks {
        let now = look(self.pid).unwrap_or_default();
        std::mem::replace(&mut *self.peaks.lock(), now)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        // It looks only when somebody comes.
        let _ = TcpStream::connect(self.bare);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn look(pid: Pid) -> Result<Peaks> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()))?;
    let number = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
    };
    Ok(Peaks { resident: number("VmRSS:")? >> 10, threads: number("Threads:")?, ..Peaks::default() })
}

/// How many have wanted each processor within the last minute; at least one.
pub fn crowd() -> Result<f64> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load: f64 = load.split_whitespace().next().context("no load average")?.parse()?;
    Ok((load / std::thread::available_parallelism()?.get() as f64).max(1.0))
}

/// Says to everybody who comes that it is alive.
fn answer(listener: &TcpListener, is_over: &AtomicBool) {
    while !is_over.load(Relaxed) {
        // Who is gone before it was answered says so itself.
        let _ = listener.accept().and_then(|(mut stream, _)| {
            let mut asked = [0; 1 << 10];
            let _ = stream.read(&mut asked)?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        });
    }
}

/// How long it takes to hear on a new connection that the server is alive.
fn live(address: SocketAddr) -> Duration {
    let begin = Instant::now();
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, DEAF)?;
        stream.set_read_timeout(Some(DEAF))?;
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    if matches!(ask(), Ok(true)) { begin.elapsed() } else { DEAF }
}
