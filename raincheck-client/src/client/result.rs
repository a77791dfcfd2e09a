//! A job's result, copied to a writer and continued where a broken connection left it.

use raincheck_worker::Backoff;
use reqwest::{Method, StatusCode, header};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::{
    Client,
    call::{Answer, encode, next_chunk},
};
use crate::Error;

/// Broken connections in a row, without a byte in between, after which a result is given up.
const TRIES: u32 = 8;

/// What a result is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultInfo {
    /// Its media type, as the worker said.
    pub content_type: Option<String>,
    /// The name to save it under; only its last segment, never a path.
    pub filename: Option<String>,
    /// Bytes copied.
    pub size: u64,
}

impl Client {
    /// Copies the result to `writer`; `None` when the job succeeded without one.
    ///
    /// # Errors
    /// [`Error::NotDone`], 400 with the job's own problem when it failed, 410 when the result is purged,
    /// [`Error::Io`] when `writer` fails.
    pub async fn result<W: AsyncWrite + Unpin>(&self, id: &str, writer: &mut W) -> Result<Option<ResultInfo>, Error> {
        let path = format!("/jobs/{}/result", encode(id));
        let mut info = ResultInfo::default();
        let mut etag: Option<String> = None;
        let (mut backoff, mut failures) = (Backoff::default(), 0);
        loop {
            let mut call = self.call(Method::GET, &path);
            if info.size > 0 {
                call = call.header(header::RANGE, &format!("bytes={}-", info.size))?;
                if let Some(etag) = &etag {
                    call = call.header(header::IF_RANGE, etag)?;
                }
            }
            let (before, attempt) = (info.size, call.open().await);
            let error = match attempt {
                Ok((response, url)) => match response.status() {
                    StatusCode::NO_CONTENT => return Ok(None),
                    StatusCode::ACCEPTED => return Err(Error::NotDone(id.to_owned())),
                    // The connection broke exactly at the end.
                    StatusCode::RANGE_NOT_SATISFIABLE if info.size > 0 => return Ok(Some(info)),
                    StatusCode::OK if info.size > 0 => {
                        return Err(Error::Unexpected { url, detail: "the result changed while it was read".into() });
                    }
                    StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
                        etag = text(header::ETAG).map(str::to_owned).or(etag);
                        info.content_type = text(header::CONTENT_TYPE).map(str::to_owned).or(info.content_type);
                        info.filename = text(header::CONTENT_DISPOSITION).and_then(filename).or(info.filename);
                        match copy(response, writer, &mut info.size, url).await {
                            Ok(()) => return Ok(Some(info)),
                            Err(error) => error,
                        }
                    }
                    _ => match Answer::read(response, url).await?.accepted() {
                        Ok(answer) => {
                            let detail = format!("status {}", answer.status);
                            return Err(Error::Unexpected { url: path, detail });
                        }
                        Err(error) => error,
                    },
                },
                Err(error) => error,
            };
            failures = if info.size > before { 0 } else { failures + 1 };
            if !error.is_transient() || failures >= TRIES {
                return Err(error);
            }
            // Where the server is away, the next try says so.
            if !error.broke_off() {
                self.shared.outages.waits(&error);
            }
            backoff.pause(&error).await;
        }
    }
}

async fn copy<W: AsyncWrite + Unpin>(
    mut response: reqwest::Response,
    writer: &mut W,
    size: &mut u64,
    url: String,
) -> Result<(), Error> {
    let failed = |source| Error::io("cannot write the result", source);
    let broken = |source| Error::Unreachable { url: url.clone(), source };
    while let Some(chunk) = next_chunk(&mut response).await?.map_err(broken)? {
        writer.write_all(&chunk).await.map_err(failed)?;
        *size += chunk.len() as u64;
    }
    writer.flush().await.map_err(failed)
}

/// The file name in a `Content-Disposition`: the encoded form first. Never with a directory, since it came from afar.
pub(super) fn filename(disposition: &str) -> Option<String> {
    let parameter = |name: &str| {
        disposition.split(';').skip(1).find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let encoded = parameter("filename*").and_then(|value| {
        let text = value.splitn(3, '\'').nth(2)?;
        decode(text)
    });
    let name = encoded.or_else(|| Some(parameter("filename")?.trim_matches('"').replace("\\\"", "\"")))?;
    let name = name.rsplit(['/', '\\']).next()?.trim().replace(|c: char| c.is_control(), "");
    (!matches!(name.as_str(), "" | "." | "..")).then_some(name)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::filename;

    #[test]
    fn names_never_leave_their_directory() {
        for (disposition, name) in [
            ("attachment; filename=\"a b.txt\"", Some("a b.txt")),
            ("attachment; filename=\"x\"; filename*=UTF-8''%C3%A4.txt", Some("ä.txt")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename*=UTF-8''..%2Fx", Some("x")),
            ("attachment; filename=\"..\"", None),
            ("attachment", None),
        ] {
            assert_eq!(filename(disposition).as_deref(), name, "{disposition}");
        }
    }
}
