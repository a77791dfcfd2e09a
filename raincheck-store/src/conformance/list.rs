//! Listing jobs by pages.

use raincheck_core::{Command, JobNo, State};

use super::check::everything;
use super::{World, complete, fail, name, names, new_job, new_of, worker_asks};
use crate::Filter;

async fn pages(world: &World, filter: Filter, size: usize) -> Vec<JobNo> {
    let (mut got, mut filter) = (Vec::new(), filter);
    loop {
        let page = world.store.jobs(filter.clone(), size).await.unwrap();
        assert!(page.items.len() <= size && !page.partial);
        got.extend(page.items.iter().map(|record| record.job.no));
        match page.next {
            Some(next) => filter.before = Some(next),
            None => return got,
        }
    }
}

/// Jobs in every state, in two queues, of two kinds.
async fn mixed(world: &World) {
    for n in 0..70 {
        let mut new = new_of(["a", "b"][n % 2], ["x", "y"][n / 2 % 2]);
        new.delay = if n % 7 == 6 { 1_000 } else { 0 };
        world.create(new).await;
        world.clock.advance(10);
    }
    let leased = world.ask(worker_asks(&["x", "y"], 50)).await;
    for (n, (job, _)) in leased.iter().enumerate() {
        let lease = job.lease_ref();
        match n % 5 {
            0 => drop(world.end(lease, complete("1")).await),
            1 => drop(world.end(lease, fail("no")).await),
            2 => {
                world.cancel(job.no).await;
                world.end(lease, fail("no")).await;
            }
            3 => {
                world.end(lease, raincheck_core::Outcome::Release { delay: 0 }).await;
            }
            _ => {}
        }
    }
}

/// Every filter, alone and with others, passes exactly the jobs it describes.
pub async fn filters_by_what_it_says(world: &mut World) {
    mixed(world).await;
    let all = everything(&*world.store).await;
    assert_eq!(all.len(), 70);
    let after = all[30].job.created_at;
    let several = [vec![], vec![State::Canceled, State::Failed], vec![State::Failed, State::Running]];
    for states in several.into_iter().chain(State::ALL.map(|state| vec![state])) {
        for queue in [None, Some("a"), Some("unheard-of")] {
            for kind in [None, Some("y")] {
                for created_after in [None, Some(after)] {
                    let queues = queue.map(names).unwrap_or_default();
                    let kinds = kind.map(names).unwrap_or_default();
                    let states = states.clone();
                    let filter = Filter { states, queues, kinds, created_after, ..Filter::default() };
                    let fits = |job: &raincheck_core::Job| {
                        (filter.states.is_empty() || filter.states.contains(&job.state))
                            && filter.queues.admits(&job.queue)
                            && filter.kinds.admits(&job.kind)
                            && filter.created_after.is_none_or(|at| job.created_at >= at)
                    };
                    let expected: Vec<_> = all.iter().map(|r| &r.job).filter(|j| fits(j)).map(|j| j.no).collect();
                    assert_eq!(pages(world, filter.clone(), 3).await, expected, "{filter:?}");
                }
            }
        }
    }
}

/// A pattern stands for all names that it matches: many of them or none, made before a restart or since, forgotten or not.
pub async fn by_patterns_of_names(world: &mut World) {
    for n in 0..60 {
        world.create(new_of(&format!("shop.{n}"), ["mail.send", "mail.read", "sms"][n % 3])).await;
    }
    world.restart().await;
    for n in 0..30 {
        world.create(new_of(&format!("shop.{}", n + 45), "mail.late")).await;
        world.create(new_of("other", "mail.late")).await;
    }
    let gone = world.create(new_of("gone", "gone")).await;
    world.cancel(gone.no).await;
    world.one(Command::Purge(gone.no)).await;
    let all = everything(&*world.store).await;
    let filters = [
        ("shop.*", "*", 90),
        ("*", "mail.*", 100),
        ("shop.*", "mail.*", 70),
        ("shop.*,other", "mail.send,*late", 80),
        ("shop.1*,shop.2", "*", 12),
        ("shop.45", "*", 2),
        ("shop.45,nobodys", "*s*", 1),
        ("*", "sms,*ms,sms", 20),
        ("shop.*,*", "*end", 20),
        ("nobodys", "*", 0),
        ("nobodys.*", "mail.*", 0),
        ("g*", "*", 0),
    ];
    for (queues, kinds, count) in filters {
        let filter = Filter { queues: names(queues), kinds: names(kinds), ..Filter::default() };
        let fits = |job: &raincheck_core::Job| filter.queues.admits(&job.queue) && filter.kinds.admits(&job.kind);
        let expected: Vec<_> = all.iter().map(|r| &r.job).filter(|job| fits(job)).map(|job| job.no).collect();
        assert_eq!(expected.len(), count, "{filter:?}");
        for size in [7, 1_000] {
            assert_eq!(pages(world, filter.clone(), size).await, expected, "{filter:?}");
        }
    }
    let some = Filter { kinds: names("mail.s*"), queues: names("shop.*"), ..Filter::default() };
    assert_eq!(pages(world, Filter { states: vec![State::Queued], ..some.clone() }, 9).await.len(), 20);
    assert_eq!(pages(world, Filter { text: Some("mail".into()), ..some }, 9).await, []);
}

/// Pages of any size give every job once, though new ones come and others go meanwhile.
pub async fn every_page_without_gaps_or_doubles(world: &mut World) {
    mixed(world).await;
    let all: Vec<_> = everything(&*world.store).await.iter().map(|record| record.job.no).collect();
    for size in [1, 6, 69, 70, 71, 1_000] {
        assert_eq!(pages(world, Filter::default(), size).await, all, "{size}");
    }
    let first = world.store.jobs(Filter::default(), 10).await.unwrap();
    world.create(new_job()).await;
    let gone = world.store.jobs(Filter { states: vec![State::Canceled], ..Filter::default() }, 1).await.unwrap();
    world.one(Command::Purge(gone.items[0].job.no)).await;
    let rest = pages(world, Filter { before: first.next, ..Filter::default() }, 7).await;
    let expected: Vec<_> = all[10..].iter().copied().filter(|no| *no != gone.items[0].job.no).collect();
    assert_eq!(rest, expected);
}

/// The newest job stands first, whatever the wall clock did.
pub async fn newest_first(world: &mut World) {
    let mut made = Vec::new();
    for step in [0, 5_000, -60_000, 1] {
        world.clock.jump(step);
        made.insert(0, world.create(new_job()).await.no);
    }
    assert_eq!(pages(world, Filter::default(), 3).await, made);
}

/// A list longer than what is looked at in one read has no seams.
pub async fn long_lists_in_slices(world: &mut World) {
    let mut made = Vec::new();
    for n in 0..5 {
        let batch = (0..1_000).map(|i| new_of("q", if (n, i) == (0, 5) { "rare" } else { "k" })).collect();
        let raincheck_core::Reply::Submitted(all) = world.one(Command::Submit(batch)).await else { panic!() };
        made.extend(all.iter().map(|submitted| submitted.job().no));
    }
    made.reverse();
    assert_eq!(pages(world, Filter::default(), 1_000).await, made);
    assert_eq!(pages(world, Filter::default(), 1_999).await, made);
    let rare = Filter { kinds: name("rare").into(), ..Filter::default() };
    assert_eq!(pages(world, rare, 10).await, [made[4_994]]);
    let commons = pages(world, Filter { kinds: name("k").into(), ..Filter::default() }, 777).await;
    assert_eq!(commons.len(), 4_999);
}
