use crate::limits::DURATION_MILLIS;
use crate::time::Millis;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: write \"500ms\", \"90s\", \"15m\", \"2h\", \"7d\" or whole seconds, ten years at most")]
pub struct DurationError;

const UNITS: [(&str, Millis); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads `"500ms"`, `"90s"`, `"15m"`, `"2h"`, `"7d"` or whole seconds (`"90"`); milliseconds come out.
/// Negative, fractional and longer than ten years are errors.
pub fn parse_duration(text: &str) -> Result<Millis, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" => 1_000,
        unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or(DurationError)?.1,
    };
    let millis = number.parse::<Millis>().ok().and_then(|n| n.checked_mul(factor)).ok_or(DurationError)?;
    if millis <= DURATION_MILLIS { Ok(millis) } else { Err(DurationError) }
}

/// Writes a duration with the largest unit that loses nothing: 90000 becomes `"90s"`.
pub fn format_duration(millis: Millis) -> String {
    let (unit, factor) = UNITS.iter().rev().find(|(_, f)| millis % f == 0).copied().unwrap_or(("ms", 1));
    if millis == 0 { "0s".to_owned() } else { format!("{}{unit}", millis / factor) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn table() {
        for (text, millis) in [
            ("500ms", 500),
            ("90s", 90_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("90", 90_000),
            ("0", 0),
        ] {
            assert_eq!(parse_duration(text), Ok(millis), "{text}");
        }
        for bad in ["", "s", "-1", "1.5s", "P1D", "1 s", "9999999d", "99999999999999999999", "1e3", "٣s"] {
            assert_eq!(parse_duration(bad), Err(DurationError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0..DURATION_MILLIS) {
            prop_assert_eq!(parse_duration(&format_duration(millis)), Ok(millis));
        }
    }
}
