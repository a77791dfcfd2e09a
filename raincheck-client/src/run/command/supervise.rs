//! The supervising process: it stands between a worker and one program, and outlives neither.
//!
//! The worker holds the write end of this process's standard input. Orders come through it, and its end means that
//! the worker is gone, however it died. So there is no process id that could be reused between a look and a signal:
//! only the parent of a process ever signals it.
//!
//! Orders: `T` SIGTERM to the group, `K` SIGKILL to all, `D` + length (4 bytes, big endian) + bytes for the program's
//! standard input, `E` end of that. The program's own end is passed on as this process's own: the same exit code, or
//! death by the same signal.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{ErrorKind, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, kill_process_group, wait};

/// The hidden first argument.
pub const SUPERVISE: &str = "__supervise";

/// From the worker's end to SIGKILL; with the time that dying takes, all is gone within 2 s.
const ORPHAN_GRACE: Duration = Duration::from_millis(1_500);
/// From the program's end to a look at what it left behind.
const REMAINS_LOOK: Duration = Duration::from_millis(20);
/// From SIGTERM to SIGKILL for what it left behind.
const REMAINS_GRACE: Duration = Duration::from_millis(500);
/// SIGKILL is repeated for what was born meanwhile.
const AGAIN: Duration = Duration::from_millis(50);
/// What SIGKILL does not end in so many rounds (a process stuck in the kernel) is left.
const ROUNDS: u32 = 40;

/// Becomes the supervisor when this process was started as one, and then never returns. A binary that runs commands
/// calls this first thing in `main`, before it starts threads or reads its arguments.
pub fn supervise_main_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(SUPERVISE)) {
        std::process::exit(supervise(arguments));
    }
}

enum Event {
    Term,
    Kill,
    Data(Vec<u8>),
    EndOfData,
    Orphaned,
    Ended(WaitStatus),
    AllGone,
}

/// `[--stdin FILE] [--remove DIRECTORY] -- PROGRAM [ARGUMENTS]`; the exit code.
fn supervise(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let (mut stdin, mut remove, mut program) = (None, None, None);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--stdin") => stdin = arguments.next().map(PathBuf::from),
            Some("--remove") => remove = arguments.next().map(PathBuf::from),
            Some("--") => {
                program = arguments.next();
                break;
            }
            _ => break,
        }
    }
    let Some(program) = program else {
        eprintln!("raincheck: this is not for people: it supervises a command of a worker");
        return 2;
    };
    // Orphans of the program become children of this process instead of init's, so that none escapes.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));

    // Whoever stops a whole service signals every process of it. This one has to outlive its program; handlers, unlike
    // ignored signals, are not handed down to it.
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        let _ = signal_hook::flag::register(signal, Arc::default());
    }

    let relay = stdin.is_none();
    let input = match stdin.map(File::open).transpose() {
        Ok(file) => file.map_or_else(Stdio::piped, Stdio::from),
        Err(error) => return cannot_run(&program, &error),
    };
    let child = Command::new(&program).args(arguments).stdin(input).process_group(0).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return cannot_run(&program, &error),
    };
    let group = Pid::from_child(&child);
    let (sender, events) = mpsc::channel();
    let data = relay.then(|| child.stdin.take()).flatten().map(feed);
    std::thread::spawn({
        let sender = sender.clone();
        move || read_orders(&sender)
    });
    std::thread::spawn(move || reap(group, &sender));

    let (status, orphaned) = Watch { group, status: None, asked: false, orphaned: false, data }.until_all_gone(&events);
    if let (true, Some(directory)) = (orphaned, remove) {
        let _ = std::fs::remove_dir_all(directory);
    }
    status.map_or(1, end_alike)
}

fn cannot_run(program: &OsStr, error: &std::io::Error) -> i32 {
    eprintln!("raincheck: cannot run `{}`: {error}", program.to_string_lossy());
    if error.kind() == ErrorKind::NotFound { 127 } else { 126 }
}

/// A thread of its own writes, because a program that does not read must not keep orders from being heard.
fn feed(mut stdin: std::process::ChildStdin) -> Sender<Vec<u8>> {
    let (sender, data) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        // A program that closed its input gets no more; that is its right.
        while let Ok(bytes) = data.recv() {
            if stdin.write_all(&bytes).and_then(|()| stdin.flush()).is_err() {
                break;
            }
        }
    });
    sender
}

fn read_orders(events: &Sender<Event>) {
    let mut orders = std::io::stdin().lock();
    let mut order = [0];
    while orders.read_exact(&mut order).is_ok() {
        let event = match order[0] {
            b'T' => Event::Term,
            b'K' => Event::Kill,
            b'E' => Event::EndOfData,
            b'D' => {
                let mut length = [0; 4];
                if orders.read_exact(&mut length).is_err() {
                    break;
                }
                let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
                if orders.read_exact(&mut bytes).is_err() {
                    break;
                }
                Event::Data(bytes)
            }
            _ => break,
        };
        if events.send(event).is_err() {
            return;
        }
    }
    let _ = events.send(Event::Orphaned);
}

/// Collects the program and every orphan of it.
fn reap(program: Pid, events: &Sender<Event>) {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => drop(events.send(Event::Ended(status))),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => {
                let _ = events.send(Event::AllGone);
                return;
            }
        }
    }
}

struct Watch {
    group: Pid,
    /// The program's end, once it has ended.
    status: Option<WaitStatus>,
    /// What it left behind was asked to end.
    asked: bool,
    orphaned: bool,
    data: Option<Sender<Vec<u8>>>,
}

impl Watch {
    fn until_all_gone(mut self, events: &Receiver<Event>) -> (Option<WaitStatus>, bool) {
        let mut deadline: Option<Instant> = None;
        let mut rounds = 0;
        let sooner = |deadline: Option<Instant>, pause: Duration| {
            let then = Instant::now() + pause;
            Some(deadline.map_or(then, |deadline| deadline.min(then)))
        };
        loop {
            let event = match deadline {
                Some(deadline) => events.recv_timeout(deadline.saturating_duration_since(Instant::now())),
                None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match event {
                Ok(Event::Term) => self.term(),
                Ok(Event::Kill) => deadline = sooner(deadline, Duration::ZERO),
                Ok(Event::Data(bytes)) => {
                    if let Some(data) = &self.data {
                        let _ = data.send(bytes);
                    }
                }
                Ok(Event::EndOfData) => self.data = None,
                Ok(Event::Orphaned) => {
                    self.orphaned = true;
                    self.data = None;
                    self.term();
                    deadline = sooner(deadline, ORPHAN_GRACE);
                }
                Ok(Event::Ended(status)) => {
                    self.status = Some(status);
                    // Most programs leave nothing behind, and then all is gone before anyone has to look.
                    deadline = sooner(deadline, REMAINS_LOOK);
                }
                Ok(Event::AllGone) | Err(RecvTimeoutError::Disconnected) => {
                    // Without adoption there may be members that are nobody's children here.
                    if !cfg!(target_os = "linux") {
                        let _ = kill_process_group(self.group, Signal::KILL);
                    }
                    return (self.status, self.orphaned);
                }
                Err(RecvTimeoutError::Timeout) if self.status.is_some() && !self.asked && !self.orphaned => {
                    self.term();
                    deadline = Some(Instant::now() + REMAINS_GRACE);
                }
                Err(RecvTimeoutError::Timeout) if rounds < ROUNDS => {
                    self.signal(Signal::KILL, true);
                    rounds += 1;
                    deadline = Some(Instant::now() + AGAIN);
                }
                Err(RecvTimeoutError::Timeout) => return (self.status, self.orphaned),
            }
        }
    }

    fn term(&mut self) {
        self.asked |= self.status.is_some();
        self.signal(Signal::TERM, false);
    }

    /// A group's id is its own only until its first process is reaped; after that its members are looked up.
    fn signal(&self, signal: Signal, all: bool) {
        let led = self.status.is_none();
        if led || !cfg!(target_os = "linux") {
            let _ = kill_process_group(self.group, signal);
        }
        if all || !led {
            for pid in descendants() {
                let _ = kill_process(pid, signal);
            }
        }
    }
}

/// Everything below this process, whatever group or session it has moved to.
fn descendants() -> Vec<Pid> {
    let parents: Vec<(i32, i32)> =
        std::fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(parent).collect();
    let mut below = vec![rustix::process::getpid().as_raw_nonzero().get()];
    let mut next = 0;
    while let Some(&pid) = below.get(next) {
        below.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| *child));
        next += 1;
    }
    below.into_iter().skip(1).filter_map(Pid::from_raw).collect()
}

/// A process and its parent, from its directory in `/proc`.
fn parent(entry: std::fs::DirEntry) -> Option<(i32, i32)> {
    let pid = entry.file_name().to_str()?.parse().ok()?;
    let stat = std::fs::read(entry.path().join("stat")).ok()?;
    // The name in parentheses may hold anything, parentheses included.
    let after = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(stat.get(after + 1..)?).ok()?;
    Some((pid, fields.split_whitespace().nth(1)?.parse().ok()?))
}

/// Ends as the program did, so that the worker sees it as if nothing stood in between.
fn end_alike(status: WaitStatus) -> i32 {
    if let Some(code) = status.exit_status() {
        return code;
    }
    let Some(signal) = status.terminating_signal() else { return 1 };
    // The program has left its core already; one of the supervisor would only mislead.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    128 + signal
}
