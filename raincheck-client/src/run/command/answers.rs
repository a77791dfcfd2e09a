//! The standard output of a kept program, line by line, in memory that is bounded.

use std::{io, os::fd::AsFd as _};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{io::AsyncReadExt as _, net::unix::pipe};

/// An answer is never longer; in bytes.
pub(super) const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// What is no answer is passed on in pieces of about this size, however long its line is; in bytes.
pub(super) const PIECE: usize = 16 * 1024;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    /// A line, with its end if it has one.
    Line(&'a [u8]),
    /// A part of a line that is no answer.
    Part(&'a [u8]),
    /// A line like an answer's that is longer than any.
    TooLong,
    End,
}

/// The output that is being read.
pub(super) struct Answers {
    pipe: pipe::Receiver,
    buffer: Vec<u8>,
    /// So much at its beginning was handed out.
    taken: usize,
    /// So much was looked through for the end of a line.
    seen: usize,
    /// The beginning of this line was handed out.
    inside: bool,
}

impl Answers {
    pub(super) fn new(pipe: pipe::Receiver) -> Self {
        Self { pipe, buffer: Vec::new(), taken: 0, seen: 0, inside: false }
    }

    /// May be dropped and asked again.
    pub(super) async fn next(&mut self) -> io::Result<Next<'_>> {
        self.buffer.drain(..std::mem::take(&mut self.taken));
        if self.buffer.is_empty() {
            // A large answer is no reason to keep as much room for ever.
            self.buffer.shrink_to(PIECE);
        }
        loop {
            if let Some(end) = self.buffer[self.seen..].iter().position(|byte| *byte == b'\n') {
                return Ok(self.take(self.seen + end + 1, false));
            }
            self.seen = self.buffer.len();
            if self.inside || !may_answer(&self.buffer) {
                if self.buffer.len() >= PIECE {
                    return Ok(self.take(self.buffer.len(), true));
                }
            } else if self.buffer.len() > ANSWER_MAX {
                return Ok(Next::TooLong);
            }
            self.buffer.reserve(PIECE);
            match self.pipe.read_buf(&mut self.buffer).await {
                Ok(0) if self.buffer.is_empty() => return Ok(Next::End),
                Ok(0) => return Ok(self.take(self.buffer.len(), false)),
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn take(&mut self, length: usize, goes_on: bool) -> Next<'_> {
        (self.taken, self.seen) = (length, 0);
        let part = goes_on || self.inside;
        self.inside = goes_on;
        let bytes = &self.buffer[..length];
        if part { Next::Part(bytes) } else { Next::Line(bytes) }
    }

    /// Whether nothing is left of what it said before, and more can come. Asked of the system, which knows sooner than
    /// the runtime.
    pub(super) fn is_quiet(&self) -> bool {
        let mut pipe = [PollFd::from_borrowed_fd(self.pipe.as_fd(), PollFlags::IN)];
        self.buffer.len() == self.taken
            && !self.inside
            && poll(&mut pipe, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0)
    }
}

/// An answer is an object; blanks may stand before it.
fn may_answer(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start().first(), None | Some(b'{')) && line.len() - line.trim_ascii_start().len() < PIECE
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// What is read of it, with the lengths of what is long.
    async fn read(text: Vec<u8>) -> Vec<String> {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut answers = Answers::new(pipe::Receiver::from_owned_fd(reader.into()).unwrap());
        let write = tokio::task::spawn_blocking(move || writer.write_all(&text));
        let show = |bytes: &[u8]| match bytes.len() {
            ..100 => String::from_utf8_lossy(bytes).into_owned(),
            long => long.to_string(),
        };
        let (mut all, mut parts) = (Vec::new(), 0);
        loop {
            match answers.next().await.unwrap() {
                Next::Line(line) => all.push(format!("line {}", show(line))),
                Next::Part(part) => {
                    assert!(part.len() <= 2 * PIECE);
                    parts += part.len();
                    if part.ends_with(b"\n") {
                        all.push(format!("parts {}", std::mem::take(&mut parts)));
                    }
                }
                Next::TooLong => {
                    all.push("too long".into());
                    break;
                }
                Next::End => break,
            }
            assert!(answers.buffer.len() <= ANSWER_MAX + PIECE);
        }
        drop(answers);
        // One that is not read to its end is told so.
        let _ = write.await.unwrap();
        all
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn lines_are_whole_and_memory_is_bounded() {
        let text = [b"noise\n{\"a\":1}\n".to_vec(), vec![b'x'; 1_000_000], b"\n  {\"b\":2}\nrest".to_vec()].concat();
        assert_eq!(
            read(text).await,
            ["line noise\n", "line {\"a\":1}\n", "parts 1000001", "line   {\"b\":2}\n", "line rest"]
        );
        let long = [b"{\"a\":\"".to_vec(), vec![b'x'; 1_000_000], b"\"}\n".to_vec()].concat();
        assert_eq!(read(long).await, ["line 1000009"]);
        assert_eq!(read([b"{".to_vec(), vec![b' '; ANSWER_MAX + 1]].concat()).await, ["too long"]);
    }

    #[tokio::test]
    async fn it_is_quiet_only_when_nothing_waits_and_more_can_come() {
        let (reader, mut writer) = io::pipe().unwrap();
        let mut answers = Answers::new(pipe::Receiver::from_owned_fd(reader.into()).unwrap());
        assert!(answers.is_quiet());
        writer.write_all(b"one\ntw").unwrap();
        assert!(!answers.is_quiet(), "it waits in the pipe");
        assert_eq!(answers.next().await.unwrap(), Next::Line(b"one\n"));
        assert!(!answers.is_quiet(), "half a line was read with it");
        writer.write_all(b"o\n").unwrap();
        assert_eq!(answers.next().await.unwrap(), Next::Line(b"two\n"));
        assert!(answers.is_quiet());
        drop(writer);
        assert!(!answers.is_quiet(), "it is closed");
    }
}
