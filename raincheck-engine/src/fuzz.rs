//! What clients carry for us comes back as it went out, or is refused.

use raincheck_core::{Cursor, JobNo, LeaseRef, Place};
use raincheck_fuzz::proptest::prelude::any;
use raincheck_fuzz::{check, texts};

use crate::secret::Keys;

fn keys() -> Keys {
    Keys::derive(&[7; 32]).unwrap()
}

#[test]
fn lease() {
    let keys = keys();
    check((0..=i64::MAX, any::<u32>(), 0..=i64::MAX), |(no, attempt, history)| {
        let lease = LeaseRef { no: JobNo(no), attempt };
        assert_eq!(keys.lease(&keys.lease_text(lease, history)), Some((lease, history)));
    });
    let leases = [(1, 1, 0), (0x0123_4567_89ab, 7, 0), (i64::MAX, u32::MAX, 0), (1, 1, 0xabc)];
    let minted = leases.map(|(no, attempt, history)| keys.lease_text(LeaseRef { no: JobNo(no), attempt }, history));
    check(texts(&minted.each_ref().map(String::as_str)), |text| {
        assert_eq!(keys.lease(&text).is_some(), minted.contains(&text), "{text:?}");
    });
}

#[test]
fn cursor() {
    let keys = keys();
    check((0..=i64::MAX, 0..=i64::MAX), |(at, gaps)| {
        let place = Place { at: Cursor(at), gaps_below: Cursor(gaps) };
        let read = if place.is_among_gaps() { place } else { Cursor(at).into() };
        assert_eq!(keys.cursor(&keys.cursor_text(place)), Some(read));
    });
    let places = [(0, 0), (1, 0), (1_234_567, 0), (i64::MAX, 0), (0, 1), (7, i64::MAX)];
    let minted = places.map(|(at, gaps)| keys.cursor_text(Place { at: Cursor(at), gaps_below: Cursor(gaps) }));
    check(texts(&minted.each_ref().map(String::as_str)), |text| {
        assert_eq!(keys.cursor(&text).is_some(), minted.contains(&text), "{text:?}");
    });
}
