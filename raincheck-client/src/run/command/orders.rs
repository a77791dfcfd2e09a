//! What a worker and a supervisor say to each other, over a socket that only they have.
//!
//! | order | is |
//! |---|---|
//! | `S` | start the program; with it come the four descriptors of [`Start::ends`] |
//! | `T` | SIGTERM to its group |
//! | `K` | SIGKILL to all of it |
//!
//! An order is its letter, the length of what follows (4 bytes, big endian) and that: after `S` variables, each as
//! `NAME=VALUE` and a NUL, which none of them can hold. Each start is answered once, when all of the program is gone: its
//! wait status or why it could not be started (4 bytes, big endian), and a byte of what that is and whether the supervisor
//! takes another.

use std::{
    ffi::{OsStr, OsString},
    io::{self, IoSliceMut, Read as _},
    mem::MaybeUninit,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt as _, net::UnixStream},
    },
};

use rustix::{
    cmsg_space,
    io::{FdFlags, fcntl_setfd, retry_on_intr},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
};

/// Descriptors that come with a start.
pub(super) const ENDS: usize = 4;
/// A letter and a length.
const HEAD: usize = 5;
/// Facts are never longer; in bytes.
const FACTS_MAX: usize = 16 * 1024 * 1024;

/// What a supervisor is told.
pub(super) enum Order {
    Start(Start),
    Term,
    Kill,
}

/// A program to start.
pub(super) struct Start {
    /// Its standard input, output and error, and where it writes its progress.
    pub(super) ends: [OwnedFd; ENDS],
    /// Variables of this run alone.
    pub(super) facts: Vec<(OsString, OsString)>,
}

/// How a program ended, and what becomes of its supervisor.
pub(super) struct Answer {
    pub(super) end: End,
    /// The supervisor takes another program.
    pub(super) stays: bool,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As wait(2) has it.
    Status(i32),
    /// It never began; the number of the system's error.
    NotStarted(i32),
}

/// The order that only has a letter.
pub(super) const fn bare(letter: u8) -> [u8; HEAD] {
    [letter, 0, 0, 0, 0]
}

/// The order to start.
pub(super) fn start<'a>(facts: impl Iterator<Item = (&'a str, &'a OsStr)>) -> io::Result<Vec<u8>> {
    let mut order = bare(b'S').to_vec();
    for (name, value) in facts {
        for part in [name.as_bytes(), b"=", value.as_bytes(), b"\0"] {
            order.extend_from_slice(part);
        }
    }
    let length = u32::try_from(order.len() - HEAD).map_err(io::Error::other)?;
    order[1..HEAD].copy_from_slice(&length.to_be_bytes());
    Ok(order)
}

/// Waits for the next order; `None` when the worker is gone or speaks otherwise.
pub(super) fn read(mut socket: &UnixStream) -> Option<Order> {
    let mut head = [0; HEAD];
    let (read, ends) = receive(socket, &mut head).ok()?;
    if read == 0 {
        return None;
    }
    socket.read_exact(&mut head[read..]).ok()?;
    let [letter, length @ ..] = head;
    match letter {
        b'T' => Some(Order::Term),
        b'K' => Some(Order::Kill),
        b'S' => {
            let length = usize::try_from(u32::from_be_bytes(length)).ok().filter(|length| *length <= FACTS_MAX)?;
            let mut text = vec![0; length];
            socket.read_exact(&mut text).ok()?;
            let ends = ends.try_into().ok()?;
            Some(Order::Start(Start { ends, facts: text.split(|byte| *byte == 0).filter_map(variable).collect() }))
        }
        _ => None,
    }
}

fn variable(text: &[u8]) -> Option<(OsString, OsString)> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    Some((OsStr::from_bytes(&text[..equals]).to_owned(), OsStr::from_bytes(&text[equals + 1..]).to_owned()))
}

/// Bytes, and the descriptors that came with them.
fn receive(socket: &UnixStream, bytes: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(ENDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let read = retry_on_intr(|| {
        recvmsg(socket, &mut [IoSliceMut::new(bytes)], &mut control, RecvFlags::empty()).map(|message| message.bytes)
    })?;
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    // Not every system can do so on receipt; nothing else of this process starts a program meanwhile.
    for descriptor in &descriptors {
        fcntl_setfd(descriptor, FdFlags::CLOEXEC)?;
    }
    Ok((read, descriptors))
}

impl Answer {
    pub(super) const BYTES: usize = 5;
    const STAYS: u8 = 1;
    const NOT_STARTED: u8 = 2;

    pub(super) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let (number, kind) = match self.end {
            End::Status(status) => (status, 0),
            End::NotStarted(error) => (error, Self::NOT_STARTED),
        };
        let [a, b, c, d] = number.to_be_bytes();
        [a, b, c, d, kind | if self.stays { Self::STAYS } else { 0 }]
    }

    pub(super) fn from_bytes([a, b, c, d, kind]: [u8; Self::BYTES]) -> Self {
        let number = i32::from_be_bytes([a, b, c, d]);
        let end = if kind & Self::NOT_STARTED == 0 { End::Status(number) } else { End::NotStarted(number) };
        Self { end, stays: kind & Self::STAYS != 0 }
    }
}
