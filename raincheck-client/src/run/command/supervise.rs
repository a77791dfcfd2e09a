//! The supervising process: it stands between a worker and the programs of one slot, one after the other, and outlives
//! neither.
//!
//! The worker holds the other end of the socket that is this process's standard input. Orders come
//! through it, and its end means that the worker is gone, however it died. So there is no process id that could be reused
//! between a look and a signal: only the parent of a process ever signals it.
//!
//! It has one thread and starts programs by nothing that needs a fork of its own memory (posix_spawn), because that is
//! what a short job costs.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::{
    fs::Mode,
    io::{Errno, dup2},
    process::Pid,
};

use super::{
    abandoned, descriptors,
    events::Events,
    orders::{self, Answer, End, Order, Start},
    plan::PROGRESS_FD,
    remove,
    watch::Watch,
};

/// The hidden first argument.
pub const SUPERVISE: &str = "__supervise";

/// The first pause before a program that could not be started is tried again; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The last one; together they are some 0.6 s.
const LAST_PAUSE: Duration = Duration::from_millis(320);

/// Becomes the supervisor when this process was started as one, and then never returns. A binary that runs commands
/// calls this first thing in `main`, before it starts threads, opens files or reads its arguments.
pub fn supervise_main_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() == Some(OsStr::new(SUPERVISE)) {
        std::process::exit(supervise(arguments));
    }
}

/// What is started, again and again.
struct Launcher {
    program: OsString,
    arguments: Vec<OsString>,
    directory: Option<PathBuf>,
    third: Third,
}

/// `[--remove DIRECTORY] [--directory DIRECTORY] [--open-files LIMIT] -- PROGRAM [ARGUMENTS]`; the exit code.
fn supervise(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let third = Third::take();
    let (mut scratch, mut directory, mut open_files, mut program) = (None, None, None, None);
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--remove") => scratch = arguments.next().map(PathBuf::from),
            Some("--directory") => directory = arguments.next().map(PathBuf::from),
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
        eprintln!("raincheck: what programs leave behind may outlive them: {error}");
    }
    // Whoever stops a whole service signals every process of it. This one has to outlive its program; handlers, unlike
    // ignored signals, are not handed down to it.
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::default()) {
            eprintln!("raincheck: signal {signal} will end this supervisor at once: {error}");
        }
    }
    if let Some(Err(error)) = open_files.map(descriptors::limit) {
        eprintln!("raincheck: programs keep a raised limit of open files: {error}");
    }
    // Held here as well: what runs in it may outlive the worker for a moment.
    let _held = scratch.as_deref().and_then(|path| {
        let directory = rustix::fs::open(path, remove::DIRECTORY, Mode::empty()).ok()?;
        abandoned::hold(&directory).ok().map(|()| directory)
    });
    let mut events = match Events::listen() {
        Ok(events) => events,
        Err(error) => {
            eprintln!("raincheck: cannot supervise: {error}");
            return 1;
        }
    };
    Launcher { program, arguments: arguments.collect(), directory, third }.run_all(&mut events);
    // The worker is gone, or has removed it already.
    if let Some(path) = scratch.as_deref()
        && let Err(error) = remove::tree(path)
    {
        eprintln!("raincheck: {}", remove::left(path, &error));
    }
    0
}

impl Launcher {
    /// Runs what is ordered until the worker is gone.
    fn run_all(&mut self, events: &mut Events) {
        loop {
            match orders::read(events.socket()) {
                Some(Order::Start(start)) => {
                    let answer = self.run(start, events);
                    if events.socket().write_all(&answer.to_bytes()).is_err() || !answer.stays {
                        return;
                    }
                }
                // Meant for a program that has ended meanwhile.
                Some(Order::Term | Order::Kill) => {}
                None => return,
            }
        }
    }

    /// Runs one program to the end of all of it.
    fn run(&mut self, start: Start, events: &mut Events) -> Answer {
        let program = match self.start(start, events) {
            Ok(program) => program,
            Err(error) => {
                let number = error.raw_os_error().unwrap_or(Errno::INVAL.raw_os_error());
                return Answer { end: End::NotStarted(number), stays: true };
            }
        };
        let end = Watch::new(program).until_all_gone(events);
        let status = end.status.map_or(1 << 8, rustix::process::WaitStatus::as_raw);
        Answer { end: End::Status(status), stays: end.all_gone && !end.orphaned }
    }

    /// What keeps a program from starting may pass in a moment: processes too many, a file that is being replaced. Our
    /// copies of its ends are closed when this returns, so that its pipes end with it.
    fn start(&mut self, Start { ends, facts }: Start, events: &Events) -> io::Result<Pid> {
        let [input, output, error, progress] = ends;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(facts).process_group(0);
        command.stdin(Stdio::from(input)).stdout(Stdio::from(output)).stderr(Stdio::from(error));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        match &mut self.third {
            Third::Ours { descriptor, nothing } => {
                dup2(progress, &mut *descriptor)?;
                let child = spawn(&mut command, events);
                dup2(nothing, descriptor)?;
                child
            }
            Third::Taken => {
                let mapping = FdMapping { parent_fd: progress, child_fd: PROGRESS_FD };
                spawn(command.fd_mappings(vec![mapping]).map_err(io::Error::other)?, events)
            }
        }
    }
}

/// Tries for a while, unless the worker does not want it any more.
fn spawn(command: &mut Command, events: &Events) -> io::Result<Pid> {
    let mut pause = FIRST_PAUSE;
    loop {
        match command.spawn() {
            Ok(child) => return Ok(Pid::from_child(&child)),
            Err(_) if pause <= LAST_PAUSE && events.is_quiet(pause) => pause *= 2,
            Err(error) => return Err(error),
        }
    }
}

/// Descriptor 3 of this process: programs find their progress pipe at the same place in theirs.
enum Third {
    /// It is handed down as it is, which leaves posix_spawn possible.
    Ours { descriptor: OwnedFd, nothing: File },
    /// Whoever started the worker left a file there, and nobody may close what is not his own. The program's has to be
    /// moved there after a fork.
    Taken,
}

impl Third {
    /// The first file that is opened gets the lowest descriptor that is free.
    fn take() -> Self {
        match (File::open("/dev/null"), File::open("/dev/null")) {
            (Ok(first), Ok(nothing)) if first.as_raw_fd() == PROGRESS_FD => {
                Self::Ours { descriptor: first.into(), nothing }
            }
            _ => Self::Taken,
        }
    }
}
