//! File names in `Content-Disposition` (RFC 6266): for people, never for paths.

use std::borrow::Cow;

use http::header::{CONTENT_DISPOSITION, HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use raincheck_core::limits::LABEL_BYTES;

use super::cut::cut;
use super::prefer::split_outside_quotes;

/// What RFC 8187 lets stand as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The last part of the name that the sender gave, without what no file name should have.
pub fn of(headers: &HeaderMap) -> Option<Box<str>> {
    let text = disposition(headers)?;
    let of =
        |wanted: &str| parameters(&text).find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
    let extended = of("filename*").and_then(|value| clean(&extended(value)?));
    extended.or_else(|| clean(&unquoted(of("filename")?)))
}

/// Whether it is a file, be it without a name: how a form tells files from fields (RFC 7578 section 4.2).
pub fn is_file(headers: &HeaderMap) -> bool {
    let text = disposition(headers);
    text.is_some_and(|text| {
        parameters(&text)
            .any(|(name, _)| name.eq_ignore_ascii_case("filename") || name.eq_ignore_ascii_case("filename*"))
    })
}

/// Many send names as they are: in UTF-8, as browsers do in forms, else in what headers once were.
fn disposition(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    Some(utf8_or_latin1(headers.get(CONTENT_DISPOSITION)?.as_bytes()))
}

fn utf8_or_latin1(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes).into(), Cow::Borrowed)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Name and value of each parameter; what is none is passed over.
fn parameters(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let named = split_outside_quotes(text, b';').skip(1).filter_map(|parameter| parameter.split_once('='));
    named.map(|(name, value)| (name.trim(), value.trim()))
}

/// A value with its charset (RFC 8187 section 3.2): UTF-8, or ISO-8859-1, which RFC 5987 asked to be known as well.
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.trim_matches('"').split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    let decoded = percent_decode_str(encoded);
    match charset {
        _ if charset.eq_ignore_ascii_case("utf-8") => Some(decoded.decode_utf8().ok()?.into_owned()),
        _ if charset.eq_ignore_ascii_case("iso-8859-1") => Some(latin1(&decoded.collect::<Vec<_>>())),
        _ => None,
    }
}

/// Without quotes. Of backslashes only those go that must stand there: others are of paths that nobody escaped.
fn unquoted(value: &str) -> String {
    let inside = value.strip_prefix('"').map_or(value, |value| value.strip_suffix('"').unwrap_or(value));
    let mut name = String::with_capacity(inside.len());
    let mut chars = inside.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = if char == '\\' { chars.next_if(|next| matches!(next, '"' | '\\')) } else { None };
        name.push(escaped.unwrap_or(char));
    }
    name
}

fn clean(name: &str) -> Option<Box<str>> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept: String = last.chars().filter(|c| !c.is_control()).collect();
    let kept = cut(kept.trim(), LABEL_BYTES).trim_end();
    (!matches!(kept, "" | "." | "..")).then(|| kept.into())
}

/// `attachment` with this name, twice where it is not plain ASCII.
pub fn attachment(name: Option<&str>) -> HeaderValue {
    let Some(name) = name else { return HeaderValue::from_static("attachment") };
    let plain =
        |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%' | ';') || c == ' ' { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let value = if ascii == name {
        format!("attachment; filename=\"{ascii}\"")
    } else {
        format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{}", utf8_percent_encode(name, PLAIN))
    };
    HeaderValue::try_from(value).unwrap_or_else(|_| HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_and_go_harmless() {
        for (line, expected) in [
            ("attachment; filename=\"clip.mp4\"", Some("clip.mp4")),
            ("attachment; filename=clip.mp4", Some("clip.mp4")),
            ("attachment; filename=\"clip.mp4\";", Some("clip.mp4")),
            ("attachment;; filename=\"clip.mp4\" ; size=3;", Some("clip.mp4")),
            ("attachment; nonsense; filename=clip.mp4", Some("clip.mp4")),
            ("form-data; name=\"file\"; filename=\"é.txt\"", Some("é.txt")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"C:\\\\x\\\\y.txt\"", Some("y.txt")),
            ("attachment; filename=\"C:\\x\\y.txt\"", Some("y.txt")),
            ("attachment; filename=\"a\\\"b.txt\"", Some("a\"b.txt")),
            ("attachment; filename=\"a;b.txt\"", Some("a;b.txt")),
            ("attachment; filename=\"x\"; filename*=UTF-8''%C3%A9%00.txt", Some("é.txt")),
            ("attachment; filename*=utf-8'de'%C3%A9.txt; filename=\"x\"", Some("é.txt")),
            ("attachment; filename*=ISO-8859-1''%E9.txt", Some("é.txt")),
            ("attachment; filename=\"x.txt\"; filename*=UTF-16''%E9.txt", Some("x.txt")),
            ("attachment; filename=\"x.txt\"; filename*=UTF-8''%E9.txt", Some("x.txt")),
            ("attachment; filename=\"..\"", None),
            ("attachment", None),
            ("attachment; nonsense", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_DISPOSITION, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            assert_eq!(of(&headers).as_deref(), expected, "{line}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_bytes(b"attachment; filename=\"\xe9.txt\"").unwrap());
        assert_eq!(of(&headers).as_deref(), Some("é.txt"), "ISO-8859-1, as it is");
        assert_eq!(attachment(Some("a b.txt")), "attachment; filename=\"a b.txt\"");
        assert_eq!(
            attachment(Some("é\"\n.txt")),
            "attachment; filename=\"___.txt\"; filename*=UTF-8''%C3%A9%22%0A.txt"
        );
    }
}
