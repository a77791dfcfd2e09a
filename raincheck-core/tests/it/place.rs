//! Places in the feed.

use raincheck_core::{Cursor, Name, Object, ObjectKind, Place, Timestamp};

fn place(at: i64, gaps_below: i64) -> Place {
    Place { at: Cursor(at), gaps_below: Cursor(gaps_below) }
}

#[test]
fn a_reader_has_missed_what_went_since_it_began() {
    for (at, gaps_below, removed, has_missed) in [
        (0, 0, 0, false),
        (0, 0, 1, true),
        (5, 0, 5, false),
        (5, 0, 6, true),
        // It began at the oldest event of a feed that was trimmed up to 9.
        (0, 9, 9, false),
        (5, 9, 9, false),
        (5, 9, 10, true),
        (9, 9, 10, true),
        (10, 9, 10, false),
    ] {
        let place = place(at, gaps_below);
        assert_eq!(place.has_missed(Cursor(removed)), has_missed, "{place:?} {removed}");
        let forgiving = place.forgiving(Cursor(removed));
        assert_eq!(forgiving.has_missed(Cursor(removed)), has_missed && at >= gaps_below, "{place:?} {removed}");
        assert_eq!((forgiving.at, forgiving.gaps_below < place.gaps_below), (place.at, false));
    }
}

#[test]
fn a_place_is_read_back_and_nothing_else_is() {
    for place in [place(0, 0), place(7, 0), place(7, 9), place(i64::MAX, i64::MAX)] {
        let bytes = place.to_bytes();
        assert_eq!(Place::from_bytes(&bytes), Some(place));
        let longer = [&bytes[..], &[0]].concat();
        let other = [&[9], &bytes[1..]].concat();
        for bad in [&bytes[1..], &bytes[..16], &[], &longer, &other] {
            assert_eq!(Place::from_bytes(bad), None, "{bad:?}");
        }
    }
    assert_eq!(Place::from_bytes(&place(-1, 0).to_bytes()), None);
}

#[test]
fn a_reader_is_of_its_feed() {
    let of = |body: Vec<u8>| Object {
        kind: ObjectKind::Reader,
        name: Name::default_queue(),
        version: 1,
        updated_at: Timestamp(0),
        body: body.into(),
    };
    assert_eq!(of(place(7, 9).to_bytes()).damage(Cursor(7)), None);
    assert!(of(place(8, 0).to_bytes()).damage(Cursor(7)).is_some_and(|why| why.contains("up to 8")));
    assert!(of(b"x".to_vec()).damage(Cursor(7)).is_some_and(|why| why.contains("cannot be read")));
}
