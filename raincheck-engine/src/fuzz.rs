//! What clients carry for us comes back as it went out, or is refused.

use raincheck_core::{Cursor, JobNo, LeaseRef};
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
    check(any::<i64>(), |place| {
        let cursor = Cursor(place);
        assert_eq!(keys.cursor(&keys.cursor_text(cursor)), Some(cursor));
    });
    let minted = [0, 1, 1_234_567, i64::MAX].map(|place| keys.cursor_text(Cursor(place)));
    check(texts(&minted.each_ref().map(String::as_str)), |text| {
        assert_eq!(keys.cursor(&text).is_some(), minted.contains(&text), "{text:?}");
    });
}
