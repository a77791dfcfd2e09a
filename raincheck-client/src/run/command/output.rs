//! Standard output on its way to be a result: in memory while it is small, else in a file that has no name, which no
//! program reaches.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::aside::aside;

/// What is in memory is never larger; in bytes.
pub(super) const MEMORY_MAX: usize = 64 * 1024;
/// To the file goes so much at once; in bytes.
const WRITE_MIN: usize = 256 * 1024;

/// What has come so far.
#[derive(Default)]
pub(super) struct Output {
    /// What is not in the file.
    memory: BytesMut,
    file: Option<Arc<File>>,
    size: u64,
}

/// All of it.
pub(super) enum Kept {
    Memory(BytesMut),
    File(Arc<File>, u64),
}

/// Why there is no more of it.
pub(super) enum Cut {
    TooLarge,
    Io(io::Error),
}

impl Output {
    /// Reads to the end, at most `most` bytes; `folder` is where the file is made. While it is `writing`, it must not be
    /// dropped: then it waits for the disk, and not for the program.
    pub(super) async fn read(
        &mut self,
        mut stdout: impl AsyncRead + Unpin,
        most: u64,
        folder: &Path,
        writing: &AtomicBool,
    ) -> Result<(), Cut> {
        loop {
            let enough = if self.file.is_some() { WRITE_MIN } else { MEMORY_MAX };
            if self.memory.len() > enough {
                writing.store(true, Ordering::Relaxed);
                let written = self.write(folder).await;
                writing.store(false, Ordering::Relaxed);
                written.map_err(Cut::Io)?;
            }
            self.memory.reserve(8 * 1024);
            let read = stdout.read_buf(&mut self.memory).await.map_err(Cut::Io)?;
            if read == 0 {
                return Ok(());
            }
            self.size += read as u64;
            if self.size > most {
                return Err(Cut::TooLarge);
            }
        }
    }

    /// Moves what is in memory to the file.
    async fn write(&mut self, folder: &Path) -> io::Result<()> {
        if self.file.is_none() {
            self.file = Some(Arc::new(tempfile::tempfile_in(folder)?));
        }
        self.append().await
    }

    async fn append(&mut self) -> io::Result<()> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        let mut memory = std::mem::take(&mut self.memory);
        let written = aside(move || {
            (&*file).write_all(&memory)?;
            memory.clear();
            Ok(memory)
        });
        self.memory = written.await?;
        Ok(())
    }

    /// All that has come.
    pub(super) async fn take(mut self) -> io::Result<Kept> {
        self.append().await?;
        Ok(match self.file {
            Some(file) => Kept::File(file, self.size),
            None => Kept::Memory(self.memory),
        })
    }
}
