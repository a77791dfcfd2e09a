//! Texts put together when the program is built.

/// The texts one after the other: `joined!(["a", "b"])`, or with something in between: `joined!(", ", ["a", "b"])`.
macro_rules! joined {
    ([$($part:expr),+ $(,)?]) => { $crate::columns::joined!("", [$($part),+]) };
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

/// A number as text.
macro_rules! number {
    ($number:expr) => {{
        const DIGITS: [u8; $crate::columns::text::digits($number)] = $crate::columns::text::decimal($number);
        match std::str::from_utf8(&DIGITS) {
            Ok(text) => text,
            Err(_) => unreachable!(),
        }
    }};
}

pub(crate) use {joined, number};

/// How many digits it has.
pub(crate) const fn digits(number: usize) -> usize {
    if number < 10 { 1 } else { 1 + digits(number / 10) }
}

/// Its digits.
pub(crate) const fn decimal<const LENGTH: usize>(number: usize) -> [u8; LENGTH] {
    let (mut bytes, mut at, mut rest) = ([b'0'; LENGTH], LENGTH, number);
    while at > 0 {
        at -= 1;
        bytes[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    bytes
}

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
        assert_eq!([number!(0), number!(9), number!(10), number!(65_536)], ["0", "9", "10", "65536"]);
    }
}
