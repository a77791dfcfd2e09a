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
        mpsc::{self, Sender},
    },
};

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};

use super::{descriptors, watch::Watch};

/// The hidden first argument.
pub const SUPERVISE: &str = "__supervise";

/// Becomes the supervisor when this process was started as one, and then never returns. A binary that runs commands
/// calls this first thing in `main`, before it starts threads or reads its arguments.
pub fn supervise_main_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(SUPERVISE)) {
        std::process::exit(supervise(arguments));
    }
}

/// What happens to a supervisor.
pub(super) enum Event {
    Term,
    Kill,
    Data(Vec<u8>),
    EndOfData,
    Orphaned,
    Ended(WaitStatus),
    AllGone,
}

/// `[--stdin FILE] [--remove DIRECTORY] [--open-files LIMIT] -- PROGRAM [ARGUMENTS]`; the exit code.
fn supervise(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let (mut stdin, mut remove, mut open_files, mut program) = (None, None, None, None);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--stdin") => stdin = arguments.next().map(PathBuf::from),
            Some("--remove") => remove = arguments.next().map(PathBuf::from),
            Some("--open-files") => open_files = arguments.next().and_then(|it| it.to_str()?.parse().ok()),
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
    if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        eprintln!("raincheck: what this program leaves behind may outlive it: {error}");
    }

    // Whoever stops a whole service signals every process of it. This one has to outlive its program; handlers, unlike
    // ignored signals, are not handed down to it.
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::default()) {
            eprintln!("raincheck: signal {signal} will end this supervisor at once: {error}");
        }
    }

    if let Some(Err(error)) = open_files.map(descriptors::limit) {
        eprintln!("raincheck: the program keeps a raised limit of open files: {error}");
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

    let (status, orphaned) = Watch::new(group, data).until_all_gone(&events);
    if let (true, Some(directory)) = (orphaned, remove) {
        // Nobody is left to be told; it lies in the folder of temporary files.
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
    // Who does not listen any more has come to its end.
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

/// Ends as the program did, so that the worker sees it as if nothing stood in between.
fn end_alike(status: WaitStatus) -> i32 {
    if let Some(code) = status.exit_status() {
        return code;
    }
    let Some(signal) = status.terminating_signal() else { return 1 };
    // The program has left its core already; one of the supervisor would only mislead.
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    // Where neither works, the exit code below says it.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    128 + signal
}
