//! RFC 3339 times.

use jiff::civil::DateTime;
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

/// Reads a time as RFC 3339, section 5.6, has it, with any offset, and nothing else that is a time elsewhere. One that in
/// UTC is later than it can write is its last.
pub fn parse(text: &str) -> Option<Timestamp> {
    const BEGINNING: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let (local, minutes) = parts(text)?;
    let local: DateTime = local.parse().ok()?;
    let millis = i64::try_from(local.duration_since(BEGINNING).as_millis()).ok()?;
    Some(Timestamp((millis - minutes * 60_000).min(LATEST)))
}

/// Local time, in the shape `0000-00-00T00:00:00` with any fraction, and how many minutes it is ahead of UTC.
fn parts(text: &str) -> Option<(&str, i64)> {
    let is_shaped = |text: &str, shape: &[u8]| {
        text.len() == shape.len()
            && text.bytes().zip(shape).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't' | b' '),
                form => byte == *form,
            })
    };
    let offset = text.rfind(['Z', 'z', '+', '-'])?;
    let (local, offset) = text.split_at(offset);
    let (moment, fraction) = local.split_at_checked(19)?;
    let is_fraction = fraction.is_empty()
        || fraction
            .strip_prefix('.')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()));
    if !is_shaped(moment, b"0000-00-00T00:00:00") || !is_fraction {
        return None;
    }
    let minutes = match offset {
        "Z" | "z" => 0,
        _ if !is_shaped(&offset[1..], b"00:00") => return None,
        _ => {
            let (hours, minutes): (i64, i64) = (offset[1..3].parse().ok()?, offset[4..].parse().ok()?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let ahead = hours * 60 + minutes;
            if offset.starts_with('-') { -ahead } else { ahead }
        }
    };
    Some((local, minutes))
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
        assert_eq!(parse("2026-11-21T06:00:00.5-23:59"), parse("2026-11-22T05:59:00.500z"));
        assert_eq!(parse("2026-11-21 06:00:60Z"), parse("2026-11-21t06:00:59Z"), "a leap second");
        assert_eq!(parse("9999-12-31T23:59:59.999Z"), Some(Timestamp(LATEST)));
        assert_eq!(parse("9999-12-31T23:59:59-12:00"), Some(Timestamp(LATEST)));
        for bad in [
            "",
            "2026-11-21",
            "now",
            "2026-13-01T00:00:00Z",
            "2026-11-21T06:00:00",
            "2026-11-21T06:00:00+25:00",
            "2026-11-21T06:00:00+24:00",
            "2026-11-21T06:00:00+01:60",
            "2026-11-21T06:00:00+0100",
            "2026-11-21T06:00:00+é:00",
            "2026-11-21T06:00:0é",
            "é026-11-21T06:00:00Z",
            "2026-11-21T06:00:00+01",
            "2026-11-21T06:00:00.Z",
            "2026-11-21T06:00:00,5Z",
            "2026-11-21T06Z",
            "20261121T060000Z",
            "+002026-11-21T06:00:00Z",
            "2026-11-21T06:00:00Z[Europe/Berlin]",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
