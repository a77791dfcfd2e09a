//! Standard error: copied to the job's log, its last lines kept for the error's detail.

use std::{collections::VecDeque, sync::Mutex};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What is kept of the end; in bytes.
const TAIL_MAX: usize = 2 * 1024;
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

/// Reads to the end; never waits for whoever takes the bytes, or a program would hang on its own log.
pub(super) async fn follow(mut stderr: impl AsyncRead + Unpin, tail: &Tail, write: impl Fn(Bytes)) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        let bytes = &buffer[..length];
        tail.push(bytes);
        write(Bytes::copy_from_slice(bytes));
    }
}
