//! Progress: JSON lines on descriptor 3.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

use crate::api::Progress;

/// A longer line is skipped; in bytes.
const LINE_MAX: u64 = 16 * 1024;

/// Reads to the end; what is no progress is skipped, because a bad line is no reason to fail a run.
pub(super) async fn follow(pipe: impl AsyncRead + Unpin, report: impl Fn(Progress)) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    let mut inside = false;
    loop {
        line.clear();
        match (&mut pipe).take(LINE_MAX).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let whole = line.ends_with(b"\n") || (line.len() as u64) < LINE_MAX;
        // The rest of a line that was too long is not a line.
        if whole
            && !inside
            && let Ok(progress) = serde_json::from_slice::<Progress>(&line)
        {
            report(progress);
        }
        inside = !whole;
    }
}
