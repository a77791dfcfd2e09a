//! A payload that is being written: a thread that may block writes it, and drops it when it is not to be.

use std::io;

#[cfg(feature = "s3")]
use super::bucket::Upload;
use super::folder::FileWriter;

/// A payload being written, for a thread that may block. Dropping it without [`BlobWriter::finish`] removes what was
/// written.
#[derive(Debug)]
pub struct BlobWriter {
    sink: Sink,
    size: u64,
}

#[derive(Debug)]
enum Sink {
    File(FileWriter),
    #[cfg(feature = "s3")]
    Object(Upload),
}

impl From<FileWriter> for BlobWriter {
    fn from(file: FileWriter) -> Self {
        BlobWriter { sink: Sink::File(file), size: 0 }
    }
}

#[cfg(feature = "s3")]
impl From<Upload> for BlobWriter {
    fn from(upload: Upload) -> Self {
        BlobWriter { sink: Sink::Object(upload), size: 0 }
    }
}

impl BlobWriter {
    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Sink::File(file) => file.write(bytes)?,
            #[cfg(feature = "s3")]
            Sink::Object(upload) => upload.runtime().block_on(upload.write(bytes))?,
        }
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Makes the payload durable and answers its name.
    pub fn finish(self) -> io::Result<Box<str>> {
        match self.sink {
            Sink::File(file) => file.finish(),
            #[cfg(feature = "s3")]
            Sink::Object(upload) => upload.runtime().block_on(upload.finish()),
        }
    }
}
