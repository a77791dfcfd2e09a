//! The first process of a container: whoever loses its parent there becomes its child, and has to be waited for.

use std::{
    io,
    process::{Command, ExitCode},
};

use rustix::{
    process::{Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, wait},
    termios::tcsetpgrp,
};
use signal_hook::{
    consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::Signals,
};

/// Where this process is the first, starts the program once more, hands it all signals on, and waits for it and for
/// whoever was left behind. Answers how that ended; nothing where it is not the first, or cannot find itself.
pub fn run_if_first() -> Option<io::Result<ExitCode>> {
    let first = Pid::INIT;
    if getpid() != first {
        return None;
    }
    let program = std::env::current_exe().ok()?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    Some(supervise(&mut command))
}

fn supervise(command: &mut Command) -> io::Result<ExitCode> {
    // Before there is a child, so that no end of one is missed.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD])?;
    // In a group of its own: Ctrl-C reaches every process of the one in front, and would reach it twice.
    let group = std::os::unix::process::CommandExt::process_group(command, 0);
    let child = Pid::from_child(&group.spawn()?);
    // Where there is a terminal.
    let _ = tcsetpgrp(io::stdin(), child);
    for signal in signals.forever() {
        if signal != SIGCHLD {
            let signal = Signal::from_named_raw(signal);
            // It may have ended a moment ago, and is waited for next.
            let _ = signal.map(|signal| kill_process(child, signal));
            continue;
        }
        while let Some((pid, status)) = wait(WaitOptions::NOHANG)? {
            if pid == child {
                return Ok(ExitCode::from(code(status)));
            }
        }
    }
    Err(io::Error::other("no more signals"))
}

/// As a shell has it.
fn code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
