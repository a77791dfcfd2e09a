//! Where reading begins, as a caller says it.

use http::HeaderMap;
use raincheck_engine::{FeedError, Start};

use crate::app::App;
use crate::problem::{self, Problem};
use crate::query::Query;

/// What a client has seen last, when it comes again: by the header of an `EventSource`, else by the parameter of those that can set
/// none. What cannot be read is no place.
pub fn last_seen(headers: &HeaderMap, query: &mut Query) -> Option<String> {
    let by_query = query.take("lastEventId").filter(|id| !id.is_empty());
    let by_header = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default().trim().to_owned());
    by_header.or(by_query)
}

/// `0` is the oldest event that is there; nothing is now.
pub fn cursor(app: &App, text: Option<&str>) -> Result<Start, Problem> {
    match text {
        None => Ok(Start::Now),
        Some("0") => Ok(Start::Oldest),
        Some(text) => {
            let place = app.engine.decode_cursor(text).ok_or_else(problem::not_our_cursor)?;
            Ok(Start::Behind(place))
        }
    }
}

/// Why reading cannot begin, or go on.
pub fn refused(error: FeedError, start: Start) -> Problem {
    match error {
        FeedError::Expired if matches!(start, Start::Reader(_)) => Problem::new(problem::CURSOR_EXPIRED)
            .detail("events were removed that this reader has not read: PUT it to \"0\" to go on with what is there"),
        FeedError::Expired => Problem::new(problem::CURSOR_EXPIRED).detail("begin again with after=0"),
        FeedError::Lost => Problem::new(problem::CURSOR_EXPIRED).detail(
            "the data came back without the last events before the cursor: read what is there with GET /jobs, then begin \
             again with after=0",
        ),
        FeedError::Store(error) => error.into(),
    }
}
