//! Lengths of time and sizes as people write them: `"90s"`, `"1MiB"`.

use std::{fmt, time::Duration};

use raincheck_core::{Millis, format_duration, parse_duration};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time: `"500ms"`, `"90s"`, `"15m"`, `"2h"`, `"7d"` or whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Millis);

impl Period {
    /// As the standard library's type.
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Text(|text: &str| parse_duration(text).map(Self).map_err(|error| error.to_string())))
    }
}

/// A number of bytes: `"64KiB"`, `"1MiB"`, `"1GiB"`, `"500MB"` or whole bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl Size {
    /// As a length in memory.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim();
        let factor = if unit.is_empty() {
            Some(1)
        } else {
            UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor)
        };
        let bytes = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
        bytes.map(Self).ok_or_else(|| format!("`{text}` is not a size: write 64KiB, 1MiB, 1GiB or whole bytes"))
    }
}

impl fmt::Display for Size {
    /// With the largest unit that loses nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) =
            UNITS.iter().find(|(_, factor)| self.0 > 0 && self.0.is_multiple_of(*factor)).copied().unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text(Self::parse))
    }
}

/// Reads a text, or a whole number as its text.
struct Text<F>(F);

impl<T, F: Fn(&str) -> Result<T, String>> de::Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text with a unit, or a whole number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_write() {
        for (text, bytes, written) in [
            ("1MiB", 1 << 20, "1MiB"),
            ("1 gib", 1 << 30, "1GiB"),
            ("1500kB", 1_500_000, "1500kB"),
            ("500MB", 500_000_000, "500MB"),
            ("0", 0, "0B"),
            ("17", 17, "17B"),
        ] {
            let size = Size::parse(text).unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, written));
        }
        for bad in ["", "MiB", "-1", "1.5MiB", "1XiB", "99999999999999999999", "18446744073709551615GiB"] {
            assert!(Size::parse(bad).is_err(), "{bad}");
        }
    }
}
