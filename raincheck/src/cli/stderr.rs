//! Standard error: what is said there holds no server or worker up, and never ends one.
//!
//! A pipe that nobody reads is full after 64 KiB, and a terminal can be stopped by Ctrl-S or be gone. A server that waited
//! for either would serve nobody, and would not hear the signal to stop.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, write},
    pipe::PIPE_BUF,
};

use super::style::{direction, is_direction};

/// Who takes nothing for so long is not waited for again until he does.
const PATIENCE: Duration = Duration::from_millis(500);

static WAITS: AtomicBool = AtomicBool::new(true);
static IS_JSON: AtomicBool = AtomicBool::new(false);
static STATE: Mutex<State> = Mutex::new(State { is_stuck: false, is_cut: false, lost: 0 });

struct State {
    /// Nothing was taken of the last line.
    is_stuck: bool,
    /// Of a line only the beginning was taken.
    is_cut: bool,
    /// Lines that were not taken.
    lost: u64,
}

/// Says a line. What cannot be said is let go: there is nowhere to say so.
pub fn say(text: &str) {
    put(format!("{text}\n").as_bytes());
}

/// From now on nobody who says something waits longer than half a second, and that once: what is not taken is lost, and
/// their number is said when lines are taken again.
pub fn never_wait() {
    WAITS.store(false, Ordering::Relaxed);
}

/// Where log lines go.
pub struct Log;

impl Log {
    /// One for lines of JSON, or for people.
    pub fn of(is_json: bool) -> Self {
        IS_JSON.store(is_json, Ordering::Relaxed);
        Self
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn put(bytes: &[u8]) {
    let stderr = io::stderr();
    let tamed = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains(is_direction) && stderr.is_terminal() => Some(direction(text)),
        _ => None,
    };
    let bytes = tamed.as_deref().map_or(bytes, str::as_bytes);
    if WAITS.load(Ordering::Relaxed) {
        let _ = stderr.lock().write_all(bytes);
        return;
    }
    // Nothing in here is left half done by a panic.
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    if state.is_cut && state.put(b"\n") {
        state.is_cut = false;
    }
    let note = note(state.lost);
    if state.lost > 0 && state.put(note.as_bytes()) {
        state.lost = 0;
    }
    if state.is_stuck || !state.put(bytes) {
        state.lost += 1;
    }
}

/// How many lines are missing here.
fn note(lost: u64) -> String {
    let what = "standard error took nothing for a while; lines were lost";
    if IS_JSON.load(Ordering::Relaxed) {
        let time = jiff::Timestamp::now();
        format!("{{\"time\":\"{time}\",\"level\":\"warn\",\"msg\":\"{what}\",\"lines\":{lost}}}\n")
    } else {
        format!("{what}: {lost}\n")
    }
}

impl State {
    /// Whether all of it was taken, or there is nobody any more who could take it.
    fn put(&mut self, bytes: &[u8]) -> bool {
        let stderr = io::stderr();
        let mut left = bytes;
        while !left.is_empty() {
            let patience = if self.is_stuck { Duration::ZERO } else { PATIENCE };
            if !is_ready(&stderr, patience) {
                self.is_stuck = true;
                self.is_cut |= left.len() < bytes.len();
                return false;
            }
            // Whatever says that it can be written to takes so much without waiting.
            match write(&stderr, &left[..left.len().min(PIPE_BUF)]) {
                Ok(taken) => left = &left[taken..],
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => break,
            }
        }
        self.is_stuck = false;
        true
    }
}

fn is_ready(stderr: &io::Stderr, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        // What is left of it: a signal begins nothing anew.
        let left = deadline.saturating_duration_since(Instant::now());
        let most = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(stderr, PollFlags::OUT)], Some(&most)) {
            Err(Errno::INTR) => {}
            ready => return ready.is_ok_and(|ready| ready > 0),
        }
    }
}
