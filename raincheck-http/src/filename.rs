//! File names in `Content-Disposition` (RFC 6266): for people, never for paths.

use http::header::{CONTENT_DISPOSITION, HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use raincheck_core::limits::LABEL_BYTES;

use super::cut::cut;
use super::prefer::split_outside_quotes;

/// What RFC 8187 lets stand as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The last part of the name that the sender gave, without what no file name should have.
pub fn of(headers: &HeaderMap) -> Option<Box<str>> {
    let text = headers.get(CONTENT_DISPOSITION)?.to_str().ok()?;
    let mut plain = None;
    for parameter in split_outside_quotes(text, b';').skip(1) {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim();
        if name.trim().eq_ignore_ascii_case("filename*") {
            let encoded = value.get(..7).filter(|start| start.eq_ignore_ascii_case("utf-8''")).map(|_| &value[7..]);
            if let Some(name) = encoded.and_then(|text| percent_decode_str(text).decode_utf8().ok()) {
                return clean(&name);
            }
        } else if name.trim().eq_ignore_ascii_case("filename") {
            plain = clean(&value.trim_matches('"').replace("\\\"", "\"").replace("\\\\", "\\"));
        }
    }
    plain
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
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"C:\\\\x\\\\y.txt\"", Some("y.txt")),
            ("attachment; filename=\"a;b.txt\"", Some("a;b.txt")),
            ("attachment; filename=\"x\"; filename*=UTF-8''%C3%A9%00.txt", Some("é.txt")),
            ("attachment; filename=\"..\"", None),
            ("attachment", None),
            ("attachment; nonsense", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_DISPOSITION, line.parse().unwrap());
            assert_eq!(of(&headers).as_deref(), expected, "{line}");
        }
        assert_eq!(attachment(Some("a b.txt")), "attachment; filename=\"a b.txt\"");
        assert_eq!(
            attachment(Some("é\"\n.txt")),
            "attachment; filename=\"___.txt\"; filename*=UTF-8''%C3%A9%22%0A.txt"
        );
    }
}
