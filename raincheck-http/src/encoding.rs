//! Codings of a body: `gzip` of its content is undone as it comes, of its transfer nothing but `chunked` is known.

use std::io::Write as _;

use axum::body::Body;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use futures_util::stream;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};

use super::body;
use super::problem::{self, Problem};

/// A body without the coding of its content.
pub struct Decoded {
    /// Its length, as far as it is known before it came: of what is coded it is not. 0 where it is not.
    pub announced: u64,
    /// The body.
    pub body: Body,
}

/// What is sent, whichever way it is coded. What stays, and all limits, are those of what comes out.
///
/// # Errors
/// 415 for a coding that is not known here; with `Accept-Encoding`, as RFC 9110 section 12.5.3 has it.
pub async fn decoded(headers: &HeaderMap, body: Body) -> Result<Decoded, Problem> {
    match coding(headers) {
        Ok(Coding::Identity) => Ok(Decoded { announced: announced(headers), body }),
        Ok(Coding::Gzip) => Ok(Decoded { announced: 0, body: gunzipped(body) }),
        Err(refused) => Err(body::refuse(headers, body, refused).await),
    }
}

/// Refuses a coding of the content that is not known here.
pub fn check(headers: &HeaderMap) -> Result<(), Problem> {
    coding(headers).map(|_| ())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
}

fn coding(headers: &HeaderMap) -> Result<Coding, Problem> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(Coding::Identity) };
    let is = |name: &str| value.as_bytes().trim_ascii().eq_ignore_ascii_case(name.as_bytes());
    if headers.get_all(CONTENT_ENCODING).iter().nth(1).is_none() {
        if is("identity") || is("") {
            return Ok(Coding::Identity);
        }
        if is("gzip") || is("x-gzip") {
            return Ok(Coding::Gzip);
        }
    }
    let refused = Problem::new(problem::UNSUPPORTED)
        .detail("of content codings only gzip is known, and once: send the body as it is, or with it");
    Err(refused.header(ACCEPT_ENCODING, HeaderValue::from_static("gzip")))
}

/// How long the body says it is; 0 where it does not.
fn announced(headers: &HeaderMap) -> u64 {
    headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Refuses what hyper lets stand before `chunked`, which it undoes (RFC 9112 section 6.1).
pub fn check_transfer(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if codings.next().is_none_or(|first| first.as_bytes().eq_ignore_ascii_case(b"chunked")) && codings.next().is_none()
    {
        return Ok(());
    }
    Err(Problem::new(problem::NOT_IMPLEMENTED).detail("of transfer codings only `chunked` is known, and once"))
}

/// So much is decoded at once, bytes: deflate makes up to 1,032 of each, which are held until they are taken.
const SLICE: usize = 128;

fn gunzipped(body: Body) -> Body {
    let pieces = stream::try_unfold(Gunzip::new(body), |mut gunzip| async {
        let piece = gunzip.next().await?;
        Ok::<_, Problem>(piece.map(|piece| (piece, gunzip)))
    });
    Body::from_stream(pieces)
}

/// A body on its way through the decoder.
struct Gunzip {
    /// `None` when it has ended.
    body: Option<Body>,
    decoder: MultiGzDecoder<Vec<u8>>,
    /// What came and is not decoded yet.
    rest: Bytes,
    /// Something came at all: nothing is nothing, however it is coded.
    began: bool,
}

impl Gunzip {
    fn new(body: Body) -> Self {
        Gunzip { body: Some(body), decoder: MultiGzDecoder::new(Vec::new()), rest: Bytes::new(), began: false }
    }

    /// The next piece of the content; `None` at its end.
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            if self.rest.is_empty() {
                let Some(body) = &mut self.body else { return Ok(None) };
                match body::any_piece(body).await? {
                    Some(piece) => self.rest = piece,
                    None => return self.end(),
                }
                self.began = true;
            }
            let slice = self.rest.split_to(SLICE.min(self.rest.len()));
            self.decoder.write_all(&slice).map_err(|_| not_gzip())?;
            if self.rest.is_empty() {
                // A stream is passed on as it comes.
                self.decoder.flush().map_err(|_| not_gzip())?;
            }
            if let Some(piece) = self.taken() {
                return Ok(Some(piece));
            }
        }
    }

    fn end(&mut self) -> Result<Option<Bytes>, Problem> {
        self.body = None;
        if self.began {
            self.decoder.try_finish().map_err(|_| not_gzip())?;
        }
        Ok(self.taken())
    }

    fn taken(&mut self) -> Option<Bytes> {
        let made = std::mem::take(self.decoder.get_mut());
        (!made.is_empty()).then(|| made.into())
    }
}

fn not_gzip() -> Problem {
    Problem::bad("the body is not what its Content-Encoding says: it is no gzip, damaged or cut off")
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes of these pieces, and the largest piece of it.
    async fn decode(pieces: Vec<Vec<u8>>) -> Result<(Vec<u8>, usize), &'static str> {
        let came = stream::iter(pieces.into_iter().map(|piece| Ok::<_, Problem>(Bytes::from(piece))));
        let mut body = gunzipped(Body::from_stream(came));
        let (mut all, mut largest) = (Vec::new(), 0);
        while let Some(piece) = body::any_piece(&mut body).await.map_err(|problem| problem.row().slug)? {
            largest = largest.max(piece.len());
            all.extend_from_slice(&piece);
        }
        Ok((all, largest))
    }

    #[tokio::test]
    async fn gzip_comes_out_whole_or_not_at_all() {
        let text = b"the same, and the same again; ".repeat(999);
        let coded = gzip(&text);
        for size in [1, 7, 128, coded.len()] {
            let pieces = coded.chunks(size).map(<[u8]>::to_vec).collect();
            assert_eq!(decode(pieces).await.map(|(all, _)| all), Ok(text.clone()), "in pieces of {size}");
        }
        assert_eq!(decode(Vec::new()).await.map(|(all, _)| all), Ok(Vec::new()), "nothing is nothing");
        assert_eq!(decode(vec![gzip(b"a"), gzip(b"b")]).await.map(|(all, _)| all), Ok(b"ab".to_vec()), "two members");
        for cut in 1..coded.len() {
            assert_eq!(decode(vec![coded[..cut].to_vec()]).await, Err("invalid-request"), "cut off at {cut}");
        }
        let mut damaged = coded.clone();
        let crc = damaged.len() - 8;
        damaged[crc] ^= 1;
        assert_eq!(decode(vec![damaged]).await, Err("invalid-request"));
        assert_eq!(decode(vec![text]).await, Err("invalid-request"));
    }

    #[tokio::test]
    async fn a_bomb_is_held_in_small_pieces() {
        let (all, largest) = decode(vec![gzip(&vec![0; 32 << 20])]).await.unwrap();
        assert_eq!(all.len(), 32 << 20);
        assert!(largest < 512 << 10, "{largest} bytes at once");
    }
}
