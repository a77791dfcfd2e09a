//! A request body that can be sent more than once where its source allows it.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use crate::Error;

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
}

/// An open file is read in pieces of so many bytes.
#[cfg(unix)]
const PIECE_MAX: usize = 128 * 1024;

pub(super) enum Source {
    Bytes(Bytes),
    File(PathBuf),
    #[cfg(unix)]
    OpenFile(Arc<std::fs::File>, u64),
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
    #[cfg(unix)]
    pub(super) fn open_file(file: Arc<std::fs::File>, size: u64) -> Self {
        Self(Source::OpenFile(file, size))
    }

    /// The body for one request.
    pub(super) async fn open(&self) -> Result<Opened, Error> {
        let unread = Unread::default();
        let (body, length) = match &self.0 {
            Source::Bytes(bytes) => (bytes.clone().into(), None),
            Source::File(path) => {
                let failed = |source| Error::io(format!("cannot read {}", path.display()), source);
                let file = tokio::fs::File::open(path).await.map_err(failed)?;
                let length = file.metadata().await.map_err(failed)?;
                // A pipe or device says 0 and has more: only a plain file's length is a promise.
                let length = length.is_file().then_some(length.len());
                (watched(ReaderStream::with_capacity(file, 64 * 1024), length, &unread), length)
            }
            #[cfg(unix)]
            Source::OpenFile(file, size) => (watched(pieces(file.clone(), *size), Some(*size), &unread), Some(*size)),
            Source::Reader(body) => {
                let body = body.lock().map_or(None, |mut body| body.take());
                let gone = || io::Error::other("the reader has already been sent");
                (body.ok_or_else(|| Error::io("cannot send a reader twice", gone()))?, None)
            }
        };
        Ok(Opened { body, length, unread })
    }
}

/// `length` bytes of `source`, no more, and an error if there are less: a file may change while it is sent. What goes
/// wrong is put into `unread`, because to send the same again would not help.
fn watched(
    source: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    length: Option<u64>,
    unread: &Unread,
) -> reqwest::Body {
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

/// The first `size` bytes of a file by their place, so that who read it before or reads it again is not in the way.
#[cfg(unix)]
fn pieces(file: Arc<std::fs::File>, size: u64) -> impl Stream<Item = io::Result<Bytes>> + Send {
    use std::os::unix::fs::FileExt as _;
    stream::unfold(Some(0), move |place: Option<u64>| {
        let file = file.clone();
        async move {
            let place = place.filter(|place| *place < size)?;
            let length = usize::try_from(size - place).unwrap_or(PIECE_MAX).min(PIECE_MAX);
            let read = tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; length];
                let read = file.read_at(&mut piece, place)?;
                piece.truncate(read);
                Ok(Bytes::from(piece))
            });
            match read.await.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
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
