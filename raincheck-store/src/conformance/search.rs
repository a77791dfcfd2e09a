//! Finding jobs by their tags and texts, literally.

use raincheck_core::{JobNo, NewJob, State};

use super::{World, content, fail, name, new_job, new_of};
use crate::Filter;

async fn found(world: &World, filter: Filter) -> Vec<JobNo> {
    let page = world.store.jobs(filter, 100).await.unwrap();
    assert_eq!((page.next, page.partial), (None, false));
    page.items.iter().map(|record| record.job.no).collect()
}

async fn by_text(world: &World, text: &str) -> Vec<JobNo> {
    found(world, Filter { text: Some(text.into()), ..Filter::default() }).await
}

fn tags(pairs: &[(&str, &str)]) -> Vec<(Box<str>, Box<str>)> {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn tagged(pairs: &[(&str, &str)]) -> NewJob {
    let mut new = new_job();
    new.spec.tags = tags(pairs);
    new
}

/// Text that means something to a database, a pattern, JSON or a terminal.
const HOSTILE: [&str; 16] = [
    "%",
    "_",
    "'",
    "\\",
    "\"",
    "' OR 1=1 --",
    "a%b",
    "a_b",
    "\\%",
    "\",\"x\":\"",
    "\u{0}x",
    "\n",
    "{}",
    "?1",
    "😀é",
    "NEAR(",
];

/// Tags match by whole name and value, whatever stands in them.
pub async fn tags_match_exactly(world: &mut World) {
    let plain = world.create(tagged(&[("a", "b"), ("c", "d")])).await.no;
    world.create(tagged(&[("x\"a", "b"), ("xa", "b"), ("ax", "b")])).await;
    world.create(tagged(&[("a", "bx"), ("c", "xd")])).await;
    world.create(tagged(&[("x", "\"a\":\"b\""), ("y", ",\"a\":\"b\"")])).await;
    world.create(new_job()).await;
    let with = |pairs: &[(&str, &str)]| Filter { tags: tags(pairs), ..Filter::default() };
    assert_eq!(found(world, with(&[("a", "b")])).await, [plain]);
    assert_eq!(found(world, with(&[("c", "d"), ("a", "b")])).await, [plain]);
    for absent in
        [&[("a", "")][..], &[("", "")], &[("a", "b"), ("c", "x")], &[("A", "b")], &[("b", "a")], &[("a", "%")]]
    {
        assert_eq!(found(world, with(absent)).await, [], "{absent:?}");
    }
    for (n, text) in HOSTILE.into_iter().enumerate() {
        let other = HOSTILE[(n + 1) % HOSTILE.len()];
        let job = world.create(tagged(&[(text, other)])).await.no;
        assert_eq!(found(world, with(&[(text, other)])).await, [job], "{text:?}");
        assert_eq!(world.record(job).await.spec.tags, tags(&[(text, other)]));
    }
}

/// No character of a search means anything but itself; only the case of ASCII letters does not matter.
pub async fn text_is_literal(world: &mut World) {
    for text in HOSTILE {
        let mut new = new_job();
        new.spec.label = Some(format!("<{text}>").into());
        let job = world.create(new).await.no;
        assert_eq!(by_text(world, &format!("<{text}>")).await, [job], "{text:?}");
    }
    let mut new = new_job();
    new.spec.label = Some("Grüße an Frau Maier".into());
    let job = world.create(new).await.no;
    assert_eq!(by_text(world, "frau MAIER").await, [job]);
    assert_eq!(by_text(world, "grüße").await, [job]);
    assert_eq!(by_text(world, "nobody").await, []);
    assert_eq!(by_text(world, &"x".repeat(10_000)).await, []);
}

/// A text is looked for in id, label, key, tags, input and failure, hostile or not.
pub async fn text_looks_everywhere(world: &mut World) {
    world.create(tagged(&[("quite", "another")])).await;
    for text in ["needle", "a\"b", "a\\b", "it's", "50%", "x_y", "two\nlines", "🪡"] {
        let mut jobs = Vec::new();
        for place in 0..7 {
            let mut new = new_of("q", &format!("k{place}"));
            let spec = &mut new.spec;
            match place {
                0 => spec.label = Some(format!("a {text} b").into()),
                1 => spec.key = Some(format!("a {text} b").into()),
                2 => spec.tags = tags(&[("name", &format!("a {text} b"))]),
                3 => spec.tags = tags(&[(&format!("a {text} b"), "value")]),
                4 => spec.input = content(&format!("a {text} b")),
                _ => {}
            }
            let job = world.create(new).await;
            if place > 4 {
                let lease = world.ask(super::worker_asks(&[&format!("k{place}")], 1)).await[0].0.lease_ref();
                let raincheck_core::Outcome::Fail { mut failure, .. } = fail(text) else { unreachable!() };
                if place == 6 {
                    (failure.title, failure.detail) = (Some(text.into()), None);
                }
                let outcome = raincheck_core::Outcome::Fail { failure, retryable: false, retry_after: None };
                world.end(lease, outcome).await;
            }
            jobs.insert(0, job.no);
        }
        assert_eq!(by_text(world, text).await, jobs, "{text:?}");
        for no in jobs {
            let id = world.record(no).await.job.id.to_string();
            assert_eq!(by_text(world, &id).await, [no], "by id");
            assert_eq!(by_text(world, &id[9..].to_uppercase()).await, [no], "by part of the id");
            if world.record(no).await.job.state == State::Queued {
                world.cancel(no).await;
            }
        }
        // The next text may not find these.
        loop {
            world.clock.advance(100 * 86_400_000);
            if world.sweep(raincheck_core::Command::PurgeExpired(100)).await == 0 {
                break;
            }
        }
    }
    let id = raincheck_core::JobId(uuid::Uuid::from_u128(0x9f1c_2c3d_4e5f_4a6b_8c7d_1234_5678_9abc));
    let chosen = world.create(NewJob { id: Some(id), ..new_job() }).await.no;
    assert_eq!(by_text(world, "2c3d-4e5f-4a6b").await, [chosen]);
}

/// Everything given must hold.
pub async fn every_filter_together(world: &mut World) {
    let mut new = tagged(&[("a", "b")]);
    new.spec.label = Some("needle".into());
    let job = world.create(new.clone()).await;
    world.create(NewJob { kind: name("other"), ..new.clone() }).await;
    world.create(NewJob { queue: name("other"), ..new.clone() }).await;
    world.create(NewJob { delay: 1_000, ..new.clone() }).await;
    new.spec.tags = tags(&[("a", "c")]);
    world.create(new.clone()).await;
    (new.spec.tags, new.spec.label) = (tags(&[("a", "b")]), None);
    world.create(new).await;
    let filter = Filter {
        states: vec![State::Queued],
        queues: name("q").into(),
        kinds: name("k").into(),
        tags: tags(&[("a", "b")]),
        created_after: Some(job.created_at),
        text: Some("needle".into()),
        ..Filter::default()
    };
    assert_eq!(found(world, filter.clone()).await, [job.no]);
    assert_eq!(found(world, Filter { created_after: Some(job.created_at.plus(1)), ..filter.clone() }).await, []);
    assert_eq!(found(world, Filter { before: Some(job.no), ..filter }).await, []);
}
