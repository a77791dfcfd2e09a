//! A lean HTTP/1.1 client: one kept connection, requests made beforehand, answers read by their length.

use std::{io, net::SocketAddr, ops::Range};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::broken::broken;
use crate::cli::exit::Failure;

/// A kept connection.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    /// Of the answer handed out last: all of it, to be dropped with the next request.
    taken: usize,
}

/// An answer.
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// Status line and headers.
    pub head: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        Ok(Self { stream, read: Vec::with_capacity(16 * 1024), taken: 0 })
    }

    /// Sends one request and reads its answer.
    ///
    /// # Errors
    /// When the connection breaks or the answer has no length.
    pub async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>, Failure> {
        self.read.drain(..self.taken);
        self.taken = 0;
        self.stream.write_all(request).await.map_err(broken)?;
        let head = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let status = self.read.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let status: u16 = status.ok_or_else(|| broken("an answer without a status"))?;
        let length = match status {
            204 | 304 => 0,
            _ => length(&self.read[..head]).ok_or_else(|| broken(format!("an answer {status} without a length")))?,
        };
        while self.read.len() < head + length {
            self.more().await?;
        }
        self.taken = head + length;
        Ok(Answer { status, head: &self.read[..head], body: &self.read[head..head + length] })
    }

    /// As [`Connection::send`], for an answer that must have this status.
    ///
    /// # Errors
    /// When it has another.
    pub async fn expect(&mut self, request: &[u8], status: u16) -> Result<Answer<'_>, Failure> {
        let answer = self.send(request).await?;
        if answer.status == status {
            return Ok(answer);
        }
        let body: String = String::from_utf8_lossy(answer.body).chars().take(300).collect();
        Err(broken(format!("answered {} instead of {status}: {body}", answer.status)))
    }

    /// Sends a request whose answer has no end, and reads its head.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn begin(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(request).await.map_err(broken)?;
        self.until(b"\r\n\r\n").await?;
        if self.read.get(9..12) == Some(b"200") { Ok(()) } else { Err(broken("a stream was not answered 200")) }
    }

    /// Reads an answer without end until these bytes are in what has come of it.
    ///
    /// # Errors
    /// When it ends before.
    pub async fn until(&mut self, wanted: &[u8]) -> Result<(), Failure> {
        while find(&self.read, wanted).is_none() {
            self.more().await?;
        }
        Ok(())
    }

    async fn more(&mut self) -> Result<(), Failure> {
        match self.stream.read_buf(&mut self.read).await {
            Ok(0) => Err(broken(io::Error::from(io::ErrorKind::UnexpectedEof))),
            Ok(_) => Ok(()),
            Err(error) => Err(broken(error)),
        }
    }
}

impl Answer<'_> {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = std::str::from_utf8(self.head).ok()?;
        head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }
}

impl Answer<'_> {
    fn json(&self, name: &str) -> Result<serde_json::Value, Failure> {
        let mut value: serde_json::Value = serde_json::from_slice(self.body)?;
        value.get_mut(name).map(serde_json::Value::take).ok_or_else(|| broken(format!("an answer without {name}")))
    }

    /// A member of a JSON object that is text.
    pub fn member(&self, name: &str) -> Result<String, Failure> {
        Ok(self.json(name)?.as_str().ok_or_else(|| broken(format!("{name} is not text")))?.to_owned())
    }

    /// A member of a JSON object that is a whole number.
    pub fn number(&self, name: &str) -> Result<u64, Failure> {
        self.json(name)?.as_u64().ok_or_else(|| broken(format!("{name} is not a number")))
    }
}

/// A request as bytes.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n").into_bytes();
    for (name, value) in headers {
        request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if method != "GET" {
        request.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    request
}

/// A request with a JSON body.
pub fn post(path: &str, body: &[u8]) -> Vec<u8> {
    request("POST", path, &[("content-type", "application/json")], body)
}

fn length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let line = head
        .split(|byte| *byte == b'\n')
        .find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))?;
    std::str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok()
}

/// Where `needle` first is.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(at) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        if haystack[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// Where the leases of an answer are within it. A lease that is handed out is followed by its job; one that is
/// finished is not.
pub fn leases(body: &[u8]) -> Vec<Range<usize>> {
    const NAME: &[u8] = b"\"lease\":\"";
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some(at) = body.get(from..).and_then(|rest| find(rest, NAME)) {
        let start = from + at + NAME.len();
        let Some(length) = body[start..].iter().position(|byte| *byte == b'"') else { break };
        if body[start + length..].starts_with(b"\",\"job\"") {
            found.push(start..start + length);
        }
        from = start + length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_are_told_from_finished_ones() {
        let body =
            br#"{"leases":[{"lease":"a","job":{}},{"lease":"b","job":{}}],"finished":[{"lease":"c","state":"x"}]}"#;
        let found: Vec<&[u8]> = leases(body).into_iter().map(|range| &body[range]).collect();
        assert_eq!(found, [b"a", b"b"]);
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n"), Some(17));
        assert_eq!(find(b"aab", b"ab"), Some(1));
        assert_eq!(find(b"aa", b"ab"), None);
    }
}
