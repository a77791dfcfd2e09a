//! RFC 3339 times.

use raincheck_core::Timestamp;

/// Last moment that RFC 3339 can write.
const LATEST: i64 = 253_402_300_799_999;

/// Writes a time in quotes, in UTC, with milliseconds: `"2026-11-21T05:49:29.000Z"`.
pub fn write(out: &mut Vec<u8>, at: Timestamp) {
    let millis = at.0.clamp(0, LATEST);
    let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
    let (year, month, day) = civil(days);
    let digits = |n: i64| b'0' + (n % 10) as u8;
    let (second, hour, minute) = (of_day / 1_000 % 60, of_day / 3_600_000, of_day / 60_000 % 60);
    #[rustfmt::skip]
    out.extend_from_slice(&[
        b'"', digits(year / 1_000), digits(year / 100), digits(year / 10), digits(year), b'-',
        digits(month / 10), digits(month), b'-', digits(day / 10), digits(day), b'T',
        digits(hour / 10), digits(hour), b':', digits(minute / 10), digits(minute), b':',
        digits(second / 10), digits(second), b'.',
        digits(of_day / 100), digits(of_day / 10), digits(of_day), b'Z', b'"',
    ]);
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar
/// (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// Reads an RFC 3339 time with any offset.
pub fn parse(text: &str) -> Option<Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(at.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(at: Timestamp) -> String {
        let mut out = Vec::with_capacity(26);
        write(&mut out, at);
        String::from_utf8_lossy(&out[1..out.len() - 1]).into_owned()
    }

    #[test]
    fn agrees_with_a_calendar() {
        for millis in (0..253_402_000_000_000).step_by(86_400_000 * 7 + 12_345_678).chain([0, 951_782_400_000]) {
            let expected = format!("{:.3}", jiff::Timestamp::from_millisecond(millis).unwrap());
            assert_eq!(text(Timestamp(millis)), expected);
            assert_eq!(parse(&expected), Some(Timestamp(millis)));
        }
        assert_eq!(parse("2026-11-21T06:00:00+02:00"), parse("2026-11-21T04:00:00Z"));
        for bad in ["", "2026-11-21", "now", "2026-13-01T00:00:00Z", "2026-11-21T06:00:00"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
