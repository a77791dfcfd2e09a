//! Standard error: copied to the job's log, its last lines kept for the error's detail.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::sync::CancellationToken;

use crate::run::Task;

/// What is kept of the end; in bytes.
const TAIL_MAX: usize = 2 * 1024;
/// A server that takes nothing holds a program up so long; then its log goes on without what has no room.
pub(super) const SERVER_WITHIN: Duration = Duration::from_secs(20);
/// Lines that are kept of the end.
const TAIL_LINES: usize = 10;

/// The end of what was written.
#[derive(Default)]
pub(super) struct Tail {
    bytes: Mutex<VecDeque<u8>>,
}

impl Tail {
    fn push(&self, bytes: &[u8]) {
        if let Ok(mut tail) = self.bytes.lock() {
            tail.extend(bytes);
            let excess = tail.len().saturating_sub(TAIL_MAX);
            tail.drain(..excess);
        }
    }

    pub(super) fn clear(&self) {
        if let Ok(mut tail) = self.bytes.lock() {
            tail.clear();
        }
    }

    /// The last lines.
    pub(super) fn text(&self) -> String {
        let bytes: Vec<u8> = self.bytes.lock().map_or(Vec::new(), |tail| tail.iter().copied().collect());
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.trim_end().lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

/// Reads to the end. While the server is behind it waits, and so does the program on its full pipe; not when there is a
/// `hurry`, and never for long, or a program would hang on its own log.
pub(super) async fn follow(mut stderr: impl AsyncRead + Unpin, tail: &Tail, task: &Task, hurry: &CancellationToken) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        tokio::select! {
            biased;
            _ = tokio::time::timeout(SERVER_WITHIN, task.log_ready()) => {}
            () = hurry.cancelled() => {}
        }
        // What was read is not lost when this future is dropped: it is passed on without waiting.
        let Ok(length @ 1..) = stderr.read(&mut buffer).await else { return };
        tail.push(&buffer[..length]);
        task.log_now(&buffer[..length]);
    }
}
