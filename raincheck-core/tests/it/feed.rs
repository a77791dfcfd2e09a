//! How long the feed keeps an event of a forgotten job.

use raincheck_core::{Cursor, FeedRetention, Timestamp, Trim};

#[test]
fn an_event_stays_while_it_is_young_or_unread_and_there_is_room() {
    let retention = FeedRetention { keep: 1_000, max_bytes: 500 };
    let now = Timestamp(10_000);
    let trim = Trim { limit: 1, read: Cursor(7) };
    for (cursor, age, bytes, stays) in [
        (7, 999, 500, true),
        (7, 1_000, 500, false),
        (7, 1_001, 0, false),
        (7, 0, 501, false),
        // Some reader has not come so far.
        (8, 1_000, 500, true),
        (8, 100_000, 0, true),
        (8, 0, 501, false),
        // What is counted is about what there is.
        (8, 1_000, -3, true),
    ] {
        let event = (Cursor(cursor), Timestamp(now.0 - age));
        assert_eq!(retention.keeps(event, bytes, now, trim), stays, "{cursor} {age} {bytes}");
    }
    let all = Trim::of(1);
    assert!(!retention.keeps((Cursor(8), Timestamp(0)), 0, now, all), "nobody reads");
}
