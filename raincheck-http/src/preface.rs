//! How clients begin that speak HTTP/2 without asking for it first (RFC 9113 section 3.3).

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client is answered that speaks HTTP/2: in its own words, that HTTP/1.1 is spoken here. An empty SETTINGS frame, which
/// comes first, and GOAWAY after stream 0 for HTTP_1_1_REQUIRED (RFC 9113 sections 3.4, 6.8 and 7).
const REFUSAL: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0d";

/// What to answer, if these first bytes of a connection are those of HTTP/2.
pub fn refusal(first: &[u8]) -> Option<&'static [u8]> {
    first.starts_with(PREFACE).then_some(REFUSAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_long_as_they_say() {
        let (settings, goaway) = REFUSAL.split_at(9);
        assert_eq!((settings[2], settings[3]), (0, 4));
        assert_eq!((usize::from(goaway[2]), goaway[3], goaway[goaway.len() - 1]), (goaway.len() - 9, 7, 13));
        assert!(
            refusal(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0").is_some() && refusal(b"PRI / HTTP/1.1\r\n").is_none()
        );
    }
}
