//! The pipes between a program and the worker.

use std::{fs::File, io, os::fd::OwnedFd};

use tokio::net::unix::pipe;

use super::orders::ENDS;

/// Where a program's standard input is; a pipe if there is no file. Its outputs never are files: by
/// `> /dev/stdout` a part of a program opens a file anew, which empties it and begins at its start.
#[derive(Default)]
pub(super) struct Files {
    pub(super) input: Option<File>,
}

/// The worker's ends.
pub(super) struct Pipes {
    pub(super) stdin: Option<pipe::Sender>,
    pub(super) stdout: pipe::Receiver,
    pub(super) stderr: pipe::Receiver,
    pub(super) progress: pipe::Receiver,
}

impl Pipes {
    /// The worker's ends, and the program's in the order of [`Start::ends`](super::orders::Start::ends).
    pub(super) fn new(files: Files) -> io::Result<(Self, [OwnedFd; ENDS])> {
        let (input, stdin) = match files.input {
            Some(file) => (file.into(), None),
            None => {
                let (reader, writer) = io::pipe()?;
                (reader.into(), Some(pipe::Sender::from_owned_fd(writer.into())?))
            }
        };
        let (output, stdout) = receiver()?;
        let (error, stderr) = receiver()?;
        let (reports, progress) = receiver()?;
        Ok((Self { stdin, stdout, stderr, progress }, [input, output, error, reports]))
    }
}

/// The program's end, and the worker's.
fn receiver() -> io::Result<(OwnedFd, pipe::Receiver)> {
    let (reader, writer) = io::pipe()?;
    Ok((writer.into(), pipe::Receiver::from_owned_fd(reader.into())?))
}
