//! Texts from outside that the core reads, and what holds for any of them.

use raincheck_core::{JobId, JobNo, Name, format_duration, limits, parse_duration};
use raincheck_fuzz::{check, texts};
use uuid::Uuid;

#[test]
fn duration() {
    let samples = &["500ms", "90s", "15m", "2h", "7d", "90", "0", "3650d", "3651d", "315360000s", "1h30m", "P1D"];
    check(texts(samples), |text| {
        let Ok(millis) = parse_duration(&text) else { return };
        assert!((0..=10 * 365 * 86_400_000).contains(&millis), "{text:?} is {millis} ms");
        let written = format_duration(millis);
        assert_eq!(parse_duration(&written), Ok(millis), "{text:?} is written as {written:?}");
        let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
        assert!(["", "ms", "s", "m", "h", "d"].contains(&digits) && digits != text, "{text:?} has an odd form");
    });
}

#[test]
fn name() {
    check(texts(&["default", "video.compress", "a", "x_1-2", "Mail::Send", "a/b", "..", "_a", "a b"]), |text| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
        let good = (1..=limits::NAME_BYTES).contains(&text.len())
            && text.bytes().all(plain)
            && text.as_bytes()[0].is_ascii_alphanumeric();
        assert_eq!(Name::new(&text).map(|name| name.as_str().to_owned()).ok(), good.then(|| text.clone()));
    });
}

#[test]
fn job_id() {
    let samples = &[
        "01a1fd23-8ee3-7000-8398-19e845bebfe0",
        "9f1c2c3d-4e5f-4a6b-8c7d-123456789abc",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
        "00000000-0000-0000-0000-000000000000",
        "{9f1c2c3d-4e5f-4a6b-8c7d-123456789abc}",
        "urn:uuid:9f1c2c3d-4e5f-4a6b-8c7d-123456789abc",
        "9f1c2c3d4e5f4a6b8c7d123456789abc",
    ];
    check(texts(samples), |text| {
        let Ok(id) = text.parse::<JobId>() else { return };
        assert_eq!(id.to_string(), text.to_lowercase(), "one job, one URL");
        take_apart(id);
    });
}

#[test]
fn job_number_in_an_id() {
    check(raincheck_fuzz::proptest::prelude::any::<u128>(), |bits| {
        take_apart(JobId(Uuid::from_u128(bits)));
        // The same with the version and the variant of the server's own.
        let own = bits & !(0xf << 76) & !(0b11 << 62) | 0x7 << 76 | 0b10 << 62;
        assert!(take_apart(JobId(Uuid::from_u128(own))), "{own:x} is of the server's making");
    });
}

/// An id of the server's making goes together again, whatever it holds; answers whether it is one.
fn take_apart(id: JobId) -> bool {
    let Some((no, random_bits)) = id.parts() else { return false };
    assert!(no >= JobNo(0), "{id} has number {no:?}");
    assert_eq!(JobId::from_parts(no, random_bits), id);
    true
}
