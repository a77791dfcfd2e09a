//! Durations as the contract writes them: `"500ms"`, `"90s"`, `"15m"`, `"2h"`, `"7d"`, or whole seconds.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A [`Duration`] in the contract's own spelling, with a resolution of one millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireDuration(pub Duration);

/// The text is not a duration; it holds the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write 500ms, 90s, 15m, 2h, 7d or whole seconds")]
pub struct InvalidDuration(pub String);

/// The server takes no longer one: ten years.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

impl WireDuration {
    /// What the server takes of it.
    pub(crate) fn acceptable(self) -> Self {
        Self(self.0.min(LONGEST))
    }
}

impl From<Duration> for WireDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<WireDuration> for Duration {
    fn from(duration: WireDuration) -> Self {
        duration.0
    }
}

impl FromStr for WireDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let invalid = || InvalidDuration(text.to_owned());
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| invalid())?;
        let seconds = match unit {
            "ms" => return Ok(Self(Duration::from_millis(number))),
            "" | "s" => Some(number),
            "m" => number.checked_mul(60),
            "h" => number.checked_mul(3_600),
            "d" => number.checked_mul(86_400),
            _ => None,
        };
        seconds.map(|s| Self(Duration::from_secs(s))).ok_or_else(invalid)
    }
}

impl fmt::Display for WireDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_millis() == 0 {
            write!(f, "{}s", self.0.as_secs())
        } else {
            write!(f, "{}ms", self.0.as_millis())
        }
    }
}

impl Serialize for WireDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WireDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Seconds(u64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Seconds(seconds) => Ok(Self(Duration::from_secs(seconds))),
            Form::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_every_unit() {
        for (text, millis, written) in [
            ("500ms", 500, "500ms"),
            ("90s", 90_000, "90s"),
            ("15m", 900_000, "900s"),
            ("2h", 7_200_000, "7200s"),
            ("7d", 604_800_000, "604800s"),
            ("30", 30_000, "30s"),
            ("1500ms", 1_500, "1500ms"),
            ("2000ms", 2_000, "2s"),
        ] {
            let read: WireDuration = text.parse().unwrap();
            assert_eq!((read.0, read.to_string().as_str()), (Duration::from_millis(millis), written));
        }
        for text in ["", "s", "-1s", "1w", "1.5s", "99999999999999999999", "18446744073709551615d"] {
            assert!(text.parse::<WireDuration>().is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<WireDuration>("30").unwrap().0.as_secs(), 30);
    }
}
