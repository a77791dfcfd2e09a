//! A request body that can be sent more than once where its source allows it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::Ordering},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use super::patience::{Patience, Taken};
use crate::{Error, aside::aside};

/// Bytes to send: at hand, in a file, or from a reader. Only the first two can be sent again after a broken connection.
pub struct Body(pub(super) Source);

/// What went wrong while a body was read: to the connection it only looks broken.
pub(super) type Unread = Arc<Mutex<Option<io::Error>>>;

/// A body for one request.
pub(super) struct Opened {
    pub(super) body: reqwest::Body,
    /// Where it is known beforehand.
    pub(super) length: Option<u64>,
    pub(super) unread: Unread,
    pub(super) patience: Patience,
}

/// A file is read in pieces of so many bytes.
const PIECE_MAX: usize = 128 * 1024;

pub(super) enum Source {
    Bytes(Bytes),
    File(PathBuf),
    OpenFile(Arc<File>, u64),
    Reader(Mutex<Option<reqwest::Body>>),
}

impl Body {
    /// The content of a file, opened when it is sent and never held in memory.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// What a reader gives until its end; can be sent once.
    pub fn reader(reader: impl AsyncRead + Send + 'static) -> Self {
        let stream = ReaderStream::with_capacity(reader, 64 * 1024);
        Self(Source::Reader(Mutex::new(Some(reqwest::Body::wrap_stream(stream)))))
    }

    /// The first `size` bytes of a file, wherever it was read before.
    pub(super) fn open_file(file: Arc<File>, size: u64) -> Self {
        Self(Source::OpenFile(file, size))
    }

    /// The body for one request.
    pub(super) async fn open(&self) -> Result<Opened, Error> {
        let (unread, taken) = (Unread::default(), Taken::default());
        let (body, length) = match &self.0 {
            Source::Bytes(bytes) => {
                let patience = Patience::at_hand(bytes.len());
                return Ok(Opened { body: bytes.clone().into(), length: None, unread, patience });
            }
            Source::File(path) => {
                let failed = |source| Error::io(format!("cannot read {}", path.display()), source);
                let plain = {
                    let path = path.clone();
                    aside(move || plain(&path)).await.map_err(failed)?
                };
                match plain {
                    Some((file, size)) => (watched(pieces(file, size), Some(size), &unread, &taken), Some(size)),
                    None => {
                        let file = tokio::fs::File::open(path).await.map_err(failed)?;
                        (watched(ReaderStream::with_capacity(file, 64 * 1024), None, &unread, &taken), None)
                    }
                }
            }
            Source::OpenFile(file, size) => {
                (watched(pieces(file.clone(), *size), Some(*size), &unread, &taken), Some(*size))
            }
            Source::Reader(body) => {
                let body = body.lock().map_or(None, |mut body| body.take());
                let gone = || io::Error::other("the reader has already been sent");
                (body.ok_or_else(|| Error::io("cannot send a reader twice", gone()))?, None)
            }
        };
        // Who writes into a pipe may be slow.
        let patience = if length.is_some() { Patience::WhileTaken(taken) } else { Patience::Endless };
        Ok(Opened { body, length, unread, patience })
    }
}

/// `length` bytes of `source`, no more, and an error if there are less: a file may change while it is sent. What goes
/// wrong is put into `unread`, because to send the same again would not help.
fn watched(
    source: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    length: Option<u64>,
    unread: &Unread,
    taken: &Taken,
) -> reqwest::Body {
    let taken = taken.clone();
    let source = source.inspect_ok(move |piece| {
        taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
    });
    let fail = {
        let unread = unread.clone();
        move |error: io::Error| {
            let shown = io::Error::from(error.kind());
            if let Ok(mut unread) = unread.lock() {
                *unread = Some(error);
            }
            shown
        }
    };
    let state = Some((Box::pin(source), length, fail));
    reqwest::Body::wrap_stream(stream::unfold(state, |state| async move {
        let (mut source, mut left, fail) = state.filter(|(_, left, _)| *left != Some(0))?;
        match (source.next().await, &mut left) {
            (Some(Ok(mut piece)), Some(left)) => {
                piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= piece.len() as u64;
                Some((Ok(piece), Some((source, Some(*left), fail))))
            }
            (Some(Ok(piece)), None) => Some((Ok(piece), Some((source, None, fail)))),
            (Some(Err(error)), _) => Some((Err(fail(error)), None)),
            (None, Some(left)) => {
                let text = format!("it became {left} bytes shorter while it was sent");
                Some((Err(fail(io::Error::new(io::ErrorKind::UnexpectedEof, text))), None))
            }
            (None, None) => None,
        }
    }))
}

/// A file and its size, if its size is a promise: a pipe or device says 0 and has more, and to open it may wait for somebody
/// else.
fn plain(path: &Path) -> io::Result<Option<(Arc<File>, u64)>> {
    if !path.metadata()?.is_file() {
        return Ok(None);
    }
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    Ok(Some((Arc::new(file), size)))
}

/// The first `size` bytes of a file by their place, so that who read it before or reads it again is not in the way.
fn pieces(file: Arc<File>, size: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::unfold(Some(0), move |place: Option<u64>| {
        let file = file.clone();
        async move {
            let place = place.filter(|place| *place < size)?;
            let length = usize::try_from(size - place).unwrap_or(PIECE_MAX).min(PIECE_MAX);
            let read = aside(move || {
                let mut piece = vec![0; length];
                let read = read_at(&file, &mut piece, place)?;
                piece.truncate(read);
                Ok(Bytes::from(piece))
            });
            match read.await {
                Ok(piece) if piece.is_empty() => None,
                Ok(piece) => {
                    let next = place + piece.len() as u64;
                    Some((Ok(piece), Some(next)))
                }
                Err(error) => Some((Err(error), None)),
            }
        }
    })
}

#[cfg(unix)]
fn read_at(file: &File, piece: &mut [u8], place: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, piece, place)
}

#[cfg(windows)]
fn read_at(file: &File, piece: &mut [u8], place: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, piece, place)
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Bytes(bytes.into()))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(Source::Bytes(text.into()))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self(Source::Bytes(Bytes::from_static(text.as_bytes())))
    }
}
