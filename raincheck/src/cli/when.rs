//! Times and lengths for people.

use std::time::Duration;

use raincheck_client::api::WireDuration;
use raincheck_core::limits;

/// How long ago an RFC 3339 time was: `3 s ago`, `in 5 min`; the text itself when it is not one.
pub fn ago(time: &str) -> String {
    let Ok(then) = time.parse::<jiff::Timestamp>() else { return time.to_owned() };
    let seconds = jiff::Timestamp::now().as_second() - then.as_second();
    if seconds >= 0 {
        format!("{} ago", length(seconds.unsigned_abs()))
    } else {
        format!("in {}", length(seconds.unsigned_abs()))
    }
}

/// A duration that is said on the command line, no longer than the server takes one.
///
/// # Errors
/// How they are written.
pub fn duration(text: &str) -> Result<WireDuration, String> {
    let longest = Duration::from_millis(limits::DURATION_MILLIS.unsigned_abs());
    match text.parse::<WireDuration>() {
        Ok(duration) if duration.0 <= longest => Ok(duration),
        Ok(_) => Err("at most ten years".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Milliseconds between two RFC 3339 times.
pub fn between(from: Option<&str>, to: Option<&str>) -> Option<Duration> {
    let parse = |time: Option<&str>| time?.parse::<jiff::Timestamp>().ok();
    let millis = parse(to)?.as_millisecond() - parse(from)?.as_millisecond();
    u64::try_from(millis).ok().map(Duration::from_millis)
}

/// A length of time in its two largest units at most.
pub fn length(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A short length of time: `340 ms`, `2.1 s`, `3 min`.
pub fn short(duration: Duration) -> String {
    match duration.as_millis() {
        0..1_000 => format!("{} ms", duration.as_millis()),
        1_000..60_000 => format!("{:.1} s", duration.as_secs_f64()),
        _ => length(duration.as_secs()),
    }
}

/// A number of bytes for people.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1_024.0 && unit < UNITS.len() - 1 {
        value /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_sizes_read_well() {
        let written = [5, 65, 7_260, 90_000].map(length);
        assert_eq!(written, ["5 s", "1 min", "2 h 1 min", "1 d 1 h"]);
        assert_eq!([0, 1_023, 1_536, 3 << 30].map(bytes), ["0 B", "1023 B", "1.5 KiB", "3.0 GiB"]);
        assert_eq!(short(Duration::from_millis(2_140)), "2.1 s");
        assert_eq!(
            between(Some("2026-01-01T00:00:00Z"), Some("2026-01-01T00:00:01.5Z")),
            Some(Duration::from_millis(1_500))
        );
        assert_eq!(duration("3650d").map(|longest| longest.0), Ok(Duration::from_secs(315_360_000)));
        for bad in ["3651d", "18446744073709551615s", "1y", ""] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(ago("2000-01-01T00:00:00Z").ends_with(" ago"));
        assert_eq!(ago("soon"), "soon");
    }
}
