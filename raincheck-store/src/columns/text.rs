//! Texts put together when the program is built.

/// The texts one after the other, with something in between: `joined!(", ", ["a", "b"])`.
macro_rules! joined {
    ($between:expr, [$($part:expr),+ $(,)?]) => {{
        const PARTS: &[&str] = &[$($part),+];
        const BYTES: [u8; $crate::columns::text::length($between, PARTS)] =
            $crate::columns::text::join($between, PARTS);
        match std::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => unreachable!(),
        }
    }};
}

pub(crate) use joined;

/// How long they are together.
pub(crate) const fn length(between: &str, parts: &[&str]) -> usize {
    let (mut length, mut part) = (between.len() * (parts.len() - 1), 0);
    while part < parts.len() {
        length += parts[part].len();
        part += 1;
    }
    length
}

/// Their bytes.
pub(crate) const fn join<const LENGTH: usize>(between: &str, parts: &[&str]) -> [u8; LENGTH] {
    let (mut bytes, mut at, mut part) = ([0; LENGTH], 0, 0);
    while part < parts.len() {
        if part > 0 {
            at = put(&mut bytes, at, between);
        }
        at = put(&mut bytes, at, parts[part]);
        part += 1;
    }
    bytes
}

const fn put(bytes: &mut [u8], at: usize, text: &str) -> usize {
    let mut n = 0;
    while n < text.len() {
        bytes[at + n] = text.as_bytes()[n];
        n += 1;
    }
    at + n
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_are_joined() {
        const ALL: &str = joined!(" + ", ["a", "", "bc"]);
        assert_eq!(ALL, "a +  + bc");
        assert_eq!(joined!(", ", ["one"]), "one");
    }
}
