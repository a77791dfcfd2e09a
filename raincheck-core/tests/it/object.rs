//! Named objects: which change is made of which one that is there.

use raincheck_core::interpreter::{Carried, Fact, Facts, NamedObject, NotAsked, carry_out, needs};
use raincheck_core::{Command, Delete, Expected, Object, ObjectKind, Put, Refusal, Reply, Timestamp};

use crate::make::{at_now, name, words};

const KIND: ObjectKind = ObjectKind::Reader;

fn there(version: i64) -> Object {
    Object { kind: KIND, name: name("a"), version, updated_at: Timestamp(1), body: "old".into() }
}

fn put(expected: Expected) -> Command {
    Command::Put(Put { kind: KIND, name: name("a"), expected, body: "new".into() })
}

fn delete(expected: Expected) -> Command {
    Command::Delete(Delete { kind: KIND, name: name("a"), expected })
}

fn carried(command: Command, object: Option<Object>, has_room: bool) -> Carried {
    let facts = Facts { object: Fact::Here(NamedObject { object, has_room }), ..Facts::default() };
    assert!(needs(&command, &facts).is_empty());
    at_now(|moment| carry_out(command, facts, moment)).expect("it knows all")
}

#[test]
fn what_is_expected_decides() {
    for (expected, of_none, of_7) in [
        (Expected::Anything, true, true),
        (Expected::Absent, true, false),
        (Expected::Present, false, true),
        (Expected::Version(7), false, true),
        (Expected::Version(8), false, false),
    ] {
        for (found, holds) in [(None, of_none), (Some(there(7)), of_7)] {
            let changed = carried(put(expected), found.clone(), true);
            let deleted = carried(delete(expected), found.clone(), true);
            let is_there = found.is_some();
            if !holds {
                assert_eq!(changed, Reply::OtherVersion(found.clone()).into(), "{expected:?}");
                assert_eq!(deleted, Reply::OtherVersion(found).into(), "{expected:?}");
                continue;
            }
            let Reply::Put { object, is_new } = &changed.reply else { panic!("{changed:?}") };
            assert_eq!((&object.body[..], *is_new), (&b"new"[..], !is_there));
            assert_eq!(words(&changed.changes), if is_there { "replace" } else { "make" });
            assert_eq!(words(&deleted.changes), if is_there { "delete" } else { "" });
            assert_eq!(deleted.reply, if is_there { Reply::Deleted } else { Reply::Gone });
        }
    }
}

#[test]
fn versions_grow_whatever_the_clock_says() {
    for before in [1, i64::MAX >> 1] {
        let Reply::Put { object, .. } = carried(put(Expected::Anything), Some(there(before)), true).reply else {
            panic!("not put")
        };
        assert!(object.version > before);
    }
    let version = |at: Carried| if let Reply::Put { object, .. } = at.reply { object.version } else { 0 };
    let first = version(carried(put(Expected::Absent), None, true));
    assert!(first < 1 << 53, "a number that JavaScript keeps");
}

#[test]
fn no_more_than_may_be_are_made() {
    let full = carried(put(Expected::Anything), None, false);
    assert_eq!(full, Reply::Refused(0, Refusal::TooManyNames).into());
    assert!(matches!(carried(put(Expected::Anything), Some(there(7)), false).reply, Reply::Put { is_new: false, .. }));
}

#[test]
fn nobody_knows_before_it_is_asked() {
    for command in [put(Expected::Anything), delete(Expected::Anything)] {
        assert_eq!(needs(&command, &Facts::default()).object, Some((KIND, &name("a"))));
        let refused = at_now(|moment| carry_out(command, Facts::default(), moment));
        assert!(matches!(refused, Err(NotAsked(_))));
    }
}
