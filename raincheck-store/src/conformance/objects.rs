//! Named objects: made, replaced and deleted by version.

use std::sync::Arc;

use bytes::Bytes;
use raincheck_core::{Command, Cursor, Delete, Expected, Object, ObjectKind, Place, Put, Reply};

use super::{World, name, new_job};

const KIND: ObjectKind = ObjectKind::Reader;

/// A place that is told apart by this: every body is one, or the look at the data would find it.
fn body(mark: i64) -> Bytes {
    Place { at: Cursor(0), gaps_below: Cursor(mark) }.to_bytes().into()
}

fn put(of: &str, expected: Expected, mark: i64) -> Command {
    Command::Put(Put { kind: KIND, name: name(of), expected, body: body(mark) })
}

fn delete(of: &str, expected: Expected) -> Command {
    Command::Delete(Delete { kind: KIND, name: name(of), expected })
}

async fn made(world: &World, of: &str, mark: i64) -> Object {
    match world.one(put(of, Expected::Absent, mark)).await {
        Reply::Put { object, is_new: true } => object,
        other => panic!("not made: {other:?}"),
    }
}

async fn find(world: &World, of: &str) -> Option<Object> {
    world.store.object(KIND, &name(of)).await.unwrap()
}

/// Each change has a greater version, also after the object was deleted.
pub async fn are_put_replaced_and_deleted(world: &mut World) {
    assert_eq!(find(world, "a").await, None);
    let first = made(world, "a", 1).await;
    assert_eq!((&first.body, first.updated_at), (&body(1), world.store.now()));
    assert_eq!(find(world, "a").await, Some(first.clone()));
    world.clock.advance(5);
    let Reply::Put { object: second, is_new: false } = world.one(put("a", Expected::Anything, 2)).await else {
        panic!("not replaced")
    };
    assert!(second.version > first.version && second.updated_at > first.updated_at);
    assert_eq!(find(world, "a").await, Some(second.clone()));
    assert_eq!(world.one(delete("a", Expected::Anything)).await, Reply::Deleted);
    assert_eq!(find(world, "a").await, None);
    assert_eq!(world.one(delete("a", Expected::Anything)).await, Reply::Gone);
    world.clock.advance(5);
    assert!(made(world, "a", 3).await.version > second.version);
}

/// Who takes for granted what is not so changes nothing, and is told what there is.
pub async fn change_only_as_expected(world: &mut World) {
    let none = Reply::OtherVersion(None);
    assert_eq!(world.one(put("a", Expected::Version(1), 1)).await, none);
    assert_eq!(world.one(put("a", Expected::Present, 1)).await, none);
    assert_eq!(world.one(delete("a", Expected::Version(1))).await, none);
    let object = made(world, "a", 1).await;
    let there = Reply::OtherVersion(Some(object.clone()));
    for wrong in [Expected::Absent, Expected::Version(object.version - 1), Expected::Version(object.version + 1)] {
        assert_eq!(world.one(put("a", wrong, 2)).await, there);
        assert_eq!(world.one(delete("a", wrong)).await, there);
    }
    assert_eq!(find(world, "a").await, Some(object.clone()));
    let replaced = world.one(put("a", Expected::Version(object.version), 2)).await;
    let Reply::Put { object: second, is_new: false } = replaced else { panic!("{replaced:?}") };
    assert_eq!(
        world.one(delete("a", Expected::Version(object.version))).await,
        Reply::OtherVersion(Some(second.clone()))
    );
    assert_eq!(world.one(delete("a", Expected::Version(second.version))).await, Reply::Deleted);
}

/// Of many who make the same one at once, one does.
pub async fn one_of_many_makes_it(world: &mut World) {
    let store = Arc::clone(&world.store);
    let tasks = (0..16).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.apply(vec![put("a", Expected::Absent, 1)]).await.unwrap().remove(0) })
    });
    let mut made = 0;
    for task in tasks.collect::<Vec<_>>() {
        match task.await.unwrap() {
            Reply::Put { is_new: true, .. } => made += 1,
            Reply::OtherVersion(Some(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(made, 1);
}

/// They are on disk when they are answered.
pub async fn outlive_a_restart(world: &mut World) {
    let object = made(world, "a", 1).await;
    made(world, "b", 2).await;
    assert_eq!(world.one(delete("b", Expected::Present)).await, Reply::Deleted);
    world.restart().await;
    assert_eq!(world.store.objects(KIND, None, 10).await.unwrap(), [object]);
}

/// By the bytes of their names, page by page.
pub async fn are_listed_by_name(world: &mut World) {
    for of in ["b", "a.b", "B", "a", "a-b", "a_b"] {
        made(world, of, 0).await;
    }
    let mut found = Vec::new();
    loop {
        let after = found.last().cloned();
        let page = world.store.objects(KIND, after.as_ref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        found.extend(page.into_iter().map(|object| object.name));
    }
    assert_eq!(found.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["B", "a", "a-b", "a.b", "a_b", "b"]);
}

/// Commands of one call see each other, and those about jobs stand between them.
pub async fn are_of_one_transaction_with_the_rest(world: &mut World) {
    let all = vec![
        put("a", Expected::Absent, 1),
        Command::Submit(vec![new_job()]),
        put("a", Expected::Absent, 2),
        put("a", Expected::Present, 3),
        delete("a", Expected::Present),
        put("b", Expected::Absent, 4),
    ];
    let replies = world.store.apply(all).await.unwrap();
    let [
        Reply::Put { object: first, is_new: true },
        Reply::Submitted(jobs),
        Reply::OtherVersion(Some(there)),
        Reply::Put { object: second, is_new: false },
        Reply::Deleted,
        Reply::Put { object: last, is_new: true },
    ] = &replies[..]
    else {
        panic!("{replies:?}")
    };
    assert_eq!((first, jobs.len()), (there, 1));
    assert!(second.version > first.version);
    assert_eq!(world.store.objects(KIND, None, 10).await.unwrap(), std::slice::from_ref(last));
}
