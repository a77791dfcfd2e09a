//! Streamed answers go out as they are taken: no more of them is made than the other end is ready for.
//!
//! hyper would gather some more of each, and there may be many that nobody reads.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};

use super::peer::{self, Line};

/// The answer; one that is a stream is made as it is taken.
pub fn paced(response: Response) -> Response {
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    match peer::line() {
        Some(line) => response.map(|body| Body::new(Outflow { body, line })),
        None => response,
    }
}

struct Outflow {
    body: Body,
    line: Arc<Line>,
}

impl hyper::body::Body for Outflow {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.line.takes_more() {
            return Poll::Pending;
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            self.line.owes(data.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
