//! What the disk can do: appends of 4 KiB, each followed by fdatasync.

use std::{
    io::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use super::broken::broken;
use crate::cli::exit::Failure;

/// Synced appends a second, in a file in `folder`.
pub async fn syncs(folder: &Path, time: Duration) -> Result<f64, Failure> {
    let path = folder.join("sync");
    tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::create(&path).map_err(broken)?;
        let block = [0x5a_u8; 4_096];
        let begin = Instant::now();
        let mut count = 0_u32;
        while begin.elapsed() < time {
            file.write_all(&block).and_then(|()| file.sync_data()).map_err(broken)?;
            count += 1;
        }
        let rate = f64::from(count) / begin.elapsed().as_secs_f64();
        std::fs::remove_file(&path).map_err(broken)?;
        Ok(rate)
    })
    .await
    .map_err(broken)?
}
