//! A form with one file (`multipart/form-data`, RFC 7578), as `curl -F` and browsers send it: the file is taken out as it
//! comes, never in memory.

use axum::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::body;
use super::filename;
use super::prefer::split_outside_quotes;
use super::problem::{self, Problem};

/// The head of a part may be so long, bytes.
const HEAD: usize = 8 << 10;
/// What is allowed before the first part and, as white space, after a boundary, bytes.
const PREAMBLE: usize = 1 << 10;
/// RFC 2046 section 5.1.1, characters.
const BOUNDARY: usize = 70;

/// The only part of a form.
pub struct Part {
    /// Its own headers.
    pub headers: HeaderMap,
    /// Its content; fails where the form does not end behind it.
    pub body: Body,
}

/// What stands between the parts, where the body says that it is a form.
pub fn boundary(headers: &HeaderMap) -> Result<Option<Box<str>>, Problem> {
    let Some(text) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let mut parameters = split_outside_quotes(text, b';');
    if !parameters.next().is_some_and(|media| media.trim().eq_ignore_ascii_case("multipart/form-data")) {
        return Ok(None);
    }
    let named = parameters.filter_map(|parameter| parameter.split_once('='));
    let boundary =
        named.filter(|(name, _)| name.trim().eq_ignore_ascii_case("boundary")).map(|(_, value)| value).next();
    let boundary = boundary.map(|value| value.trim().trim_matches('"'));
    match boundary.filter(|boundary| (1..=BOUNDARY).contains(&boundary.len())) {
        Some(boundary) => Ok(Some(boundary.into())),
        None => Err(refused("a form names the boundary between its parts, of 1 to 70 characters")),
    }
}

/// Takes the form apart up to the content of its only part.
pub async fn part(boundary: &str, body: Body) -> Result<Part, Problem> {
    let mut form = Form::new(boundary, body);
    match form.head().await {
        Ok(headers) => Ok(Part { headers, body: form.content() }),
        Err(refused) => {
            body::discard(form.body).await;
            Err(refused)
        }
    }
}

fn refused(detail: &'static str) -> Problem {
    Problem::new(problem::UNSUPPORTED).detail(detail)
}

fn broken(detail: &'static str) -> Problem {
    Problem::bad(detail)
}

/// A form on its way in.
struct Form {
    body: Body,
    /// What came and is not dealt with yet.
    came: BytesMut,
    /// A line break and what follows it between the parts.
    delimiter: Box<[u8]>,
}

impl Form {
    fn new(boundary: &str, body: Body) -> Self {
        // The first boundary has its line break in front, too, but for that of a form without a preamble.
        Form { body, came: BytesMut::from(&b"\r\n"[..]), delimiter: format!("\r\n--{boundary}").into_bytes().into() }
    }

    /// Reads as far as the content of the first part.
    async fn head(&mut self) -> Result<HeaderMap, Problem> {
        let delimiter = self.delimiter.clone();
        let begin = self
            .until(&delimiter, PREAMBLE)
            .await?
            .ok_or_else(|| broken("the form does not begin with its boundary"))?;
        self.came.advance(begin + delimiter.len());
        if self.is_last().await? {
            return Err(refused("the form has no part: send one file, as `curl -F file=@NAME` does"));
        }
        // The line break stays: a head may be empty.
        let head = self.until(b"\r\n\r\n", HEAD).await?;
        let length = head.ok_or_else(|| broken("the head of a part is cut off, or longer than 8 KiB"))?;
        let text = self.came.split_to(length);
        self.came.advance(4);
        let headers = headers(&text).ok_or_else(|| broken("the head of a part is none"))?;
        if filename::is_file(&headers) { Ok(headers) } else { Err(not_one_file()) }
    }

    /// Whether what stands behind the boundary says that no part follows.
    async fn is_last(&mut self) -> Result<bool, Problem> {
        while self.came.len() < 2 && self.more().await? {}
        Ok(self.came.starts_with(b"--"))
    }

    /// The place of `what` within the next so many bytes.
    async fn until(&mut self, what: &[u8], most: usize) -> Result<Option<usize>, Problem> {
        loop {
            let place = find(&self.came, what);
            if place.is_some() || self.came.len() > most + what.len() || !self.more().await? {
                return Ok(place.filter(|place| *place <= most));
            }
        }
    }

    /// Reads on; whether there was more.
    async fn more(&mut self) -> Result<bool, Problem> {
        let piece = body::any_piece(&mut self.body).await?;
        if let Some(piece) = &piece {
            self.came.extend_from_slice(piece);
        }
        Ok(piece.is_some())
    }

    /// The content of the part, piece by piece.
    fn content(self) -> Body {
        let pieces = stream::try_unfold(Some(self), |state| async {
            let Some(mut form) = state else { return Ok(None) };
            match form.piece().await? {
                Some(piece) => Ok::<_, Problem>(Some((piece, Some(form)))),
                None => Ok(None),
            }
        });
        Body::from_stream(pieces)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            if let Some(end) = find(&self.came, &self.delimiter) {
                if end > 0 {
                    return Ok(Some(self.came.split_to(end).freeze()));
                }
                self.came.advance(self.delimiter.len());
                return if self.is_last().await? { self.rest().await } else { Err(not_one_file()) };
            }
            // The last bytes may begin a boundary.
            let sure = self.came.len().saturating_sub(self.delimiter.len() - 1);
            if sure > 0 {
                return Ok(Some(self.came.split_to(sure).freeze()));
            }
            if !self.more().await? {
                return Err(broken("the form is cut off: its last boundary is not there"));
            }
        }
    }

    /// Nothing of what follows the last boundary counts; it is read so that the connection can go on.
    async fn rest(&mut self) -> Result<Option<Bytes>, Problem> {
        let mut left = HEAD;
        while left > 0 && self.more().await? {
            left = left.saturating_sub(self.came.len());
            self.came.clear();
        }
        Ok(None)
    }
}

fn not_one_file() -> Problem {
    refused(
        "of a form one file is taken, and nothing beside it: send `curl -F file=@NAME`, with what else there is to say as \
         query parameters",
    )
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}

/// The fields of a head that begins with a line break.
fn headers(text: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    // What stands on the line of the boundary is white space.
    let (padding, lines) = (find(text, b"\r\n").unwrap_or(text.len()), text);
    if !lines[..padding].trim_ascii().is_empty() {
        return None;
    }
    for line in lines[padding..].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        headers.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some(headers)
}
