//! The opening handshake of a WebSocket (RFC 6455 section 4.2).

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Extensions, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::problem::{self, Problem};

const PROTOCOL: &str = "raincheck.v1";
const VERSION: &str = "13";

/// Whether a request asks for a WebSocket. Any other protocol that it would rather speak, as `h2c`, may be passed over
/// (RFC 9110 section 7.8): it is answered as if it had not asked.
pub fn wanted(headers: &HeaderMap) -> bool {
    names(headers, &header::UPGRADE, "websocket")
}

/// The answer that switches protocols, and what the connection becomes then.
pub fn accept(request: Request) -> Result<(Response, OnUpgrade), Problem> {
    let (mut parts, _) = request.into_parts();
    let headers = &parts.headers;
    if only(headers, &header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        return Err(another_version());
    }
    if !names(headers, &header::CONNECTION, "upgrade") {
        return Err(no_handshake("`Connection` must name `upgrade`"));
    }
    let key = only(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_nonce(key.as_bytes()));
    let key = key.ok_or_else(|| no_handshake("`Sec-WebSocket-Key` must be there once, 16 bytes of base64"))?;
    let accepted = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(|_| no_handshake("the key"))?;
    let is_offered = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    if is_offered && !list(headers, &header::SEC_WEBSOCKET_PROTOCOL).any(|one| one == PROTOCOL) {
        return Err(Problem::bad("the subprotocol here is raincheck.v1"));
    }
    let upgrade = upgrade(&mut parts.extensions)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    if is_offered {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok((response, upgrade))
}

fn upgrade(extensions: &mut Extensions) -> Result<OnUpgrade, Problem> {
    extensions.remove().ok_or_else(|| no_handshake("the connection cannot become another one: it takes HTTP/1.1"))
}

/// An answer that names what it takes instead must list `upgrade` in `Connection`, too (RFC 9110 section 7.8).
fn another_version() -> Problem {
    Problem::new(problem::UPGRADE_REQUIRED)
        .detail("WebSocket version 13 is spoken here")
        .header(header::CONNECTION, HeaderValue::from_static("upgrade"))
        .header(header::UPGRADE, HeaderValue::from_static("websocket"))
        .header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION))
}

fn no_handshake(why: &str) -> Problem {
    Problem::bad(format!("this is no WebSocket handshake: {why}"))
}

/// Whether a header that is a list names this, in whatever case.
fn names(headers: &HeaderMap, header: &HeaderName, name: &str) -> bool {
    list(headers, header).any(|one| one.eq_ignore_ascii_case(name))
}

fn list<'a>(headers: &'a HeaderMap, header: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, header: &HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(header).into_iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// Whether this is base64 of 16 bytes.
fn is_nonce(text: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    text.strip_suffix(b"==").is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        for (lines, expected) in [
            (&["websocket"][..], true),
            (&["WebSocket"], true),
            (&["h2c, websocket"], true),
            (&["h2c", " websocket "], true),
            (&["h2c"], false),
            (&["websockets"], false),
            (&[""], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::UPGRADE, line.parse().unwrap());
            }
            assert_eq!(wanted(&headers), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_key_is_sixteen_bytes() {
        for (text, expected) in [
            ("dGhlIHNhbXBsZSBub25jZQ==", true),
            ("++++++++++++++++++++//==", true),
            ("++++++++++++++++++++///==", false),
            ("dGhlIHNhbXBsZSBub25jZQ", false),
            ("dGhlIHNhbXBsZSBub25j", false),
            ("dGhlIHNhbXBsZSBub25j*Q==", false),
            ("abc", false),
            ("", false),
        ] {
            assert_eq!(is_nonce(text.as_bytes()), expected, "{text}");
        }
    }
}
