//! Large frames go out in pieces. Between two of them a stream that is not read holds no more than its place in the frame:
//! an event can be written again.

use std::convert::Infallible;
use std::pin::pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use raincheck_core::{Cursor, limits::PIECE_BYTES};

use crate::peer;

/// What is sent as a whole.
#[derive(Clone, Debug)]
pub struct Frame {
    /// How it goes on the wire.
    pub bytes: Bytes,
    /// The event that it can be written from again.
    pub event: Option<Cursor>,
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Frame { bytes, event: None }
    }
}

/// The frames in pieces; `again` writes that of an event once more, unless it is gone.
pub fn pieces<A>(
    frames: impl Stream<Item = Frame> + Send + Unpin + 'static,
    again: impl Fn(Cursor) -> A + Send + 'static,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static
where
    A: Future<Output = Option<Bytes>> + Send,
{
    // The event in the middle of which it is, and where there.
    let begin: Option<(Cursor, usize)> = None;
    stream::unfold((frames, again, begin), |(mut frames, again, place)| async move {
        let (bytes, event, at) = match place {
            Some((event, at)) => {
                let bytes = match peer::kept() {
                    Some(bytes) => bytes,
                    None => pin!(again(event)).await?,
                };
                (bytes, event, at)
            }
            None => match frames.next().await? {
                Frame { bytes, event: Some(event) } if bytes.len() > PIECE_BYTES => (bytes, event, 0),
                Frame { bytes, .. } => return Some((Ok(bytes), (frames, again, None))),
            },
        };
        let end = bytes.len().min(at + PIECE_BYTES);
        // Not a part of it, which would keep the whole.
        let piece = Bytes::copy_from_slice(bytes.get(at..end)?);
        let place = (end < bytes.len()).then(|| {
            peer::keep(bytes);
            (event, end)
        });
        Some((Ok(piece), (frames, again, place)))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    /// What comes of a large frame between two small ones when nothing of it is kept and it can be written so often again.
    async fn sent(again: usize) -> (Vec<Bytes>, usize) {
        let whole = Bytes::from((0..5 * PIECE_BYTES / 2).map(|n| n as u8).collect::<Vec<_>>());
        let frames = [
            Bytes::from("one").into(),
            Frame { bytes: whole.clone(), event: Some(Cursor(7)) },
            Bytes::from("two").into(),
        ];
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let pieces = pieces(stream::iter(frames), move |event| {
            assert_eq!(event, Cursor(7));
            let is_there = counted.fetch_add(1, Relaxed) < again;
            std::future::ready(is_there.then(|| whole.clone()))
        });
        (pieces.map(|piece| piece.unwrap()).collect().await, asked.load(Relaxed))
    }

    #[tokio::test]
    async fn a_large_frame_is_written_again_where_it_went_on() {
        let (pieces, asked) = sent(9).await;
        let sizes: Vec<_> = pieces.iter().map(Bytes::len).collect();
        assert_eq!((sizes, asked), (vec![3, PIECE_BYTES, PIECE_BYTES, PIECE_BYTES / 2, 3], 2));
        let whole = pieces[1..4].concat();
        assert!(whole.iter().enumerate().all(|(n, byte)| *byte == n as u8));
    }

    #[tokio::test]
    async fn what_is_gone_in_the_middle_ends_the_stream() {
        let (pieces, asked) = sent(1).await;
        assert_eq!((pieces.len(), asked), (3, 2), "nothing follows a part of a frame");
    }
}
