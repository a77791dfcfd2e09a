//! Whether the system gives what every command needs. The runtime would panic in the middle of its work where it does not.

use std::{fs::File, io, sync::Mutex, thread};

use super::exit::{Exit, Failure};

/// Open files beside those of jobs, connections and data.
const FILES: usize = 16;
/// Threads beside one for each processor.
const THREADS: usize = 8;

/// Takes what is needed for a moment.
///
/// # Errors
/// When it can't be had.
pub fn check() -> Result<(), Failure> {
    let failed = |what: &str, error: io::Error| Failure::new(Exit::Failed, format!("cannot start: no {what}: {error}"));
    (0..FILES).map(|_| File::open("/dev/null")).collect::<io::Result<Vec<_>>>().map_err(|error| {
        failed("more files can be opened", error)
            .next("raise the limit of open files: `ulimit -n`, LimitNOFILE= of systemd")
    })?;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    threads(processors + THREADS).map_err(|error| {
        failed("more threads can be started", error)
            .next("raise the limit of processes: `ulimit -u`, TasksMax= of systemd, the pids of a container")
    })
}

/// So many at once.
fn threads(count: usize) -> io::Result<()> {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let closed = gate.lock();
        let started = (0..count).try_for_each(|_| {
            thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, || drop(gate.lock())).map(drop)
        });
        drop(closed);
        started
    })
}
