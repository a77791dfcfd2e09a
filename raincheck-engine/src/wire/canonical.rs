//! A canonical form of JSON, by which what clients ask for is compared.

use serde_json::value::RawValue;

/// Deepest nesting of arrays and objects in a payload.
const DEPTH: usize = 128;

/// Whether JSON text nests deeper than any reader should have to bear.
pub fn too_deep(json: &[u8]) -> bool {
    // Most are recognized at once: they do not even open so many, in strings or outside.
    if openings(json) <= DEPTH {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for byte in json {
        if quoted {
            (quoted, escaped) = (escaped || *byte != b'"', !escaped && *byte == b'\\');
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// How many bytes open something, in strings or outside; in steps that the processor takes many bytes at once in.
fn openings(json: &[u8]) -> usize {
    let of = |piece: &[u8]| piece.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum::<u8>();
    // So few bytes that their count fits into one.
    json.chunks(128).map(|piece| usize::from(of(piece))).sum()
}

/// The canonical form of valid JSON text: members sorted, no white space, strings in their plainest spelling, numbers as
/// they are written. Only for comparing: it is no JSON itself. The text must have passed [`too_deep`].
pub fn canonical(json: &[u8]) -> Vec<u8> {
    // A comma is more than in the text, for each object and list: to grow for that would cost a copy of all.
    let mut out = Vec::with_capacity(json.len() + json.len() / 8 + 8);
    Scanner { json, at: 0 }.value(&mut out);
    out
}

/// Why a text from outside is not taken for JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is none.
    #[error("not valid JSON: {0}")]
    Invalid(#[from] serde_json::Error),
    /// See [`too_deep`].
    #[error("nested deeper than 128")]
    TooDeep,
}

/// Checks that a text is JSON that any reader can bear.
pub fn check_json(text: &[u8]) -> Result<(), JsonError> {
    serde_json::from_slice::<&RawValue>(text)?;
    if too_deep(text) { Err(JsonError::TooDeep) } else { Ok(()) }
}

/// Walks over JSON text that is known to be valid.
struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&mut self) -> u8 {
        while self.json.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.json.get(self.at).copied().unwrap_or(b']')
    }

    fn value(&mut self, out: &mut Vec<u8>) {
        match self.peek() {
            b'{' => self.object(out),
            b'[' => self.array(out),
            b'"' => self.string(out),
            _ => {
                let rest = &self.json[self.at..];
                let ends = |b: &u8| matches!(b, b',' | b']' | b'}') || b.is_ascii_whitespace();
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                out.extend_from_slice(&rest[..length]);
                self.at += length;
            }
        }
    }

    fn object(&mut self, out: &mut Vec<u8>) {
        out.push(b'{');
        let begin = out.len();
        // Where each member begins: all that is kept of it, for an object may have millions.
        let mut members: Vec<u32> = Vec::new();
        self.at += 1;
        while !matches!(self.peek(), b'}' | b']') {
            members.push(u32::try_from(out.len() - begin).unwrap_or(u32::MAX));
            self.string(out);
            self.skip(b':');
            out.push(b':');
            self.value(out);
            self.skip(b',');
            out.push(b',');
        }
        self.at += 1;
        sort(&mut out[begin..], &members);
        out.push(b'}');
    }

    fn array(&mut self, out: &mut Vec<u8>) {
        self.at += 1;
        out.push(b'[');
        while !matches!(self.peek(), b']' | b'}') {
            self.value(out);
            out.push(b',');
            self.skip(b',');
        }
        self.at += 1;
        out.push(b']');
    }

    fn skip(&mut self, byte: u8) {
        if self.peek() == byte {
            self.at += 1;
        }
    }

    fn string(&mut self, out: &mut Vec<u8>) {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.json.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                break;
            }
        }
        self.at = self.at.min(self.json.len());
        let text = &self.json[start..self.at];
        if text.contains(&b'\\')
            // A lone surrogate has no plainer spelling.
            && let Ok(plain) = serde_json::from_slice::<String>(text)
            && serde_json::to_writer(&mut *out, &plain).is_ok()
        {
            return;
        }
        out.extend_from_slice(text);
    }
}

/// Sorts members by their names; those of the same name stay in their order.
fn sort(text: &mut [u8], members: &[u32]) {
    let sorted = |text: &[u8], members: &[u32]| members.is_sorted_by(|a, b| key(text, *a) <= key(text, *b));
    // No limit lets in so much text.
    if text.len() >= u32::MAX as usize || sorted(text, members) {
        return;
    }
    let end = |index: usize| members.get(index + 1).map_or(text.len(), |end| *end as usize);
    let mut order: Vec<u32> = (0..members.len() as u32).collect();
    let name = |index: &u32| key(text, members[*index as usize]);
    // In its place: there may be millions.
    order.sort_unstable_by(|a, b| name(a).cmp(name(b)).then(a.cmp(b)));
    let mut put = Vec::with_capacity(text.len());
    for index in order {
        put.extend_from_slice(&text[members[index as usize] as usize..end(index as usize)]);
    }
    text.copy_from_slice(&put);
}

/// The name of the member that begins at `at`, as far as the colon behind it.
fn key(text: &[u8], at: u32) -> &[u8] {
    let name = &text[at as usize..];
    let (mut end, mut escaped) = (1, false);
    while let Some(byte) = name.get(end) {
        end += 1;
        if *byte == b'"' && !escaped {
            break;
        }
        escaped = *byte == b'\\' && !escaped;
    }
    &name[..end.min(name.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(json: &str) -> Vec<u8> {
        canonical(json.as_bytes())
    }

    #[test]
    fn spelling_does_not_matter_and_content_does() {
        let same = form(r#"{"a":[1,{"x":"A"}],"b":"é\n","c":{}}"#);
        assert_eq!(same, form(" { \"c\" : { } ,\"b\":\"\\u00e9\\n\", \"a\" : [ 1 , {\"x\":\"\\u0041\"} ] } "));
        for other in
            [r#"{"a":[{"x":"A"},1],"b":"é\n","c":{}}"#, r#"{"a":[1,{"x":"A"}],"b":"é","c":{}}"#, "{}", "[]", "null"]
        {
            assert_ne!(same, form(other), "{other}");
        }
        assert_ne!(form("[1,2]"), form("[12]"));
        assert_ne!(form(r#""\ud800""#), form(r#""\ud801""#));
    }

    #[test]
    fn members_are_sorted_wherever_they_stand() {
        let text = r#"{"b":{"y":1,"x":[{"d":0,"c":0}]},"a\"":2,"a":{},"":3,"b":4}"#;
        assert_eq!(form(text), br#"{"":3,"a":{},"a\"":2,"b":{"x":[{"c":0,"d":0,},],"y":1,},"b":4,}"#);
        assert_eq!(form("{}"), b"{}");
    }

    #[test]
    fn depth_is_bounded() {
        assert!(!too_deep(&[b'['; 128]));
        assert!(too_deep(&[b'['; 129]));
        assert!(too_deep(&"{\"a\":".repeat(1_000_000).into_bytes()));
        let text = format!("\"{}\\\"[\"", "[".repeat(1000));
        assert!(!too_deep(text.as_bytes()));
    }
}
