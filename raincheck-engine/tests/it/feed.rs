use raincheck_core::{Cancel, Command, Cursor, Expected, State, Trim};
use raincheck_engine::{Engine, FeedError, Start};
use raincheck_store::EventFilter;

use crate::test_engine::{TestEngine, name, new_job};

/// Reads `count` events from a cursor, then breaks off; answers them and where to go on.
async fn read(engine: &Engine, start: Start, count: usize) -> (Vec<i64>, Cursor) {
    let mut watch = engine.watch_feed(start, EventFilter::default()).await.unwrap();
    let mut cursors = Vec::new();
    while cursors.len() < count {
        cursors.push(watch.next().await.unwrap().unwrap().cursor.0);
    }
    (cursors, watch.position())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_read_in_pieces_beside_writers_is_the_whole_feed() {
    let test = TestEngine::new().await;
    const WRITERS: usize = 4;
    const EACH: usize = 400;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let engine = test.engine.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    engine.submit(vec![new_job()]).await.unwrap();
                }
            })
        })
        .collect();
    let (mut seen, mut start) = (Vec::new(), Start::Oldest);
    while seen.len() < WRITERS * EACH {
        let piece = 37.min(WRITERS * EACH - seen.len());
        let (cursors, position) = read(&test.engine, start, piece).await;
        seen.extend(cursors);
        start = Start::Behind(test.engine.decode_cursor(&test.engine.encode_cursor(position)).unwrap());
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let page = test.engine.store().events(Cursor(0), &EventFilter::default(), 100_000).await.unwrap();
    let all: Vec<i64> = page.items.iter().map(|event| event.cursor.0).collect();
    assert_eq!(seen, all, "beside the writers");
    let (mut again, mut start) = (Vec::new(), Start::Oldest);
    while again.len() < all.len() {
        let (cursors, position) = read(&test.engine, start, 37.min(all.len() - again.len())).await;
        again.extend(cursors);
        start = Start::Behind(position.into());
    }
    assert_eq!(again, all, "after them");
    test.engine.stop().await;
}

#[tokio::test]
async fn a_slow_reader_falls_back_to_the_store() {
    let test = TestEngine::new().await;
    let mut watch = test.engine.watch_feed(Start::Now, EventFilter::default()).await.unwrap();
    // More than the hub keeps for those who are behind.
    for _ in 0..10 {
        test.engine.submit((0..1_000).map(|_| new_job()).collect()).await.unwrap();
    }
    let mut last = watch.position().0;
    for _ in 0..10_000 {
        let event = watch.next().await.unwrap().unwrap();
        assert!(event.cursor.0 > last);
        last = event.cursor.0;
    }
    test.submit(new_job()).await;
    assert!(watch.next().await.unwrap().unwrap().cursor.0 > last);
    test.engine.stop().await;
}

#[tokio::test]
async fn a_filter_passes_what_it_says_and_the_position_moves_on() {
    let test = TestEngine::new().await;
    let filter = EventFilter { kinds: name("k").into(), states: vec![State::Succeeded], ..EventFilter::default() };
    let mut watch = test.engine.watch_feed(Start::Oldest, filter).await.unwrap();
    let job = test.submit(new_job()).await;
    test.complete(test.lease().await.job.lease_ref()).await;
    let event = watch.next().await.unwrap().unwrap();
    assert_eq!((event.job, event.state), (job.id, State::Succeeded));
    assert_eq!(watch.position(), event.cursor);
    test.engine.stop().await;
}

#[tokio::test]
async fn cursors_of_the_future_are_refused() {
    let test = TestEngine::new().await;
    let ahead = test.engine.watch_feed(Start::Behind(Cursor(1_000_000).into()), EventFilter::default()).await;
    assert!(matches!(ahead.err(), Some(FeedError::Lost)));
    assert_eq!(test.engine.decode_cursor("AAAA"), None);
    test.engine.stop().await;
}

/// Who begins at the oldest event is led on through the part that lost events of forgotten jobs, page by page; whoever comes
/// with another place there has missed something.
#[tokio::test]
async fn the_oldest_part_of_a_trimmed_feed_is_read_page_by_page() {
    let test = TestEngine::with(|options| options.feed.max_bytes = 0).await;
    let (one, goes, two) = (test.submit(new_job()).await, test.submit(new_job()).await, test.submit(new_job()).await);
    let last = test.submit(new_job()).await;
    for no in [goes.no, last.no] {
        test.engine
            .store()
            .apply(vec![Command::Cancel(Cancel { no, force: false, seq: None }), Command::Purge(no)])
            .await
            .unwrap();
    }
    let later = test.submit(new_job()).await;
    test.engine.store().apply(vec![Command::Trim(Trim::of(99))]).await.unwrap();
    let (_, floor) = test.engine.store().feed_bounds().await.unwrap();
    let (mut jobs, mut start) = (Vec::new(), Start::Oldest);
    while jobs.len() < 3 {
        let mut watch = test.engine.watch_feed(start, EventFilter::default()).await.unwrap();
        let page = watch.page(watch.position(), 1).await.unwrap();
        jobs.extend(page.items.iter().map(|event| event.no));
        let place = watch.place(page.read_to);
        if page.read_to < floor {
            let bare = test.engine.watch_feed(Start::Behind(page.read_to.into()), EventFilter::default()).await;
            assert!(matches!(bare, Err(FeedError::Expired)));
        }
        start = Start::Behind(test.engine.decode_cursor(&test.engine.encode_cursor(place)).unwrap());
    }
    assert_eq!(jobs, [one.no, two.no, later.no]);
    let whole = matches!(start, Start::Behind(place) if place.at >= floor && place.gaps_below == Cursor(0));
    assert!(whole, "nothing is missing from here on: {start:?}");
    test.engine.stop().await;
}

/// Forgets all jobs that are there, and trims the feed of everything.
async fn forget_and_trim(test: &TestEngine, jobs: &[raincheck_core::JobNo]) {
    for no in jobs {
        let (cancel, purge) = (Command::Cancel(Cancel { no: *no, force: false, seq: None }), Command::Purge(*no));
        test.engine.store().apply(vec![cancel, purge]).await.unwrap();
    }
    test.engine.store().apply(vec![Command::Trim(Trim::of(99))]).await.unwrap();
}

/// A named reader is told when events that it waits for were removed, also when it was made at the oldest event and has not
/// come further; whoever begins there without a name reads on.
#[tokio::test]
async fn a_reader_is_told_of_what_it_has_missed_wherever_it_is() {
    let test = TestEngine::with(|options| options.feed.max_bytes = 0).await;
    let engine = &test.engine;
    let put = async |text: &str, to| engine.put_reader(name(text), to, Expected::Anything).await.unwrap().0;
    let (stays, goes) = (test.submit(new_job()).await, test.submit(new_job()).await);
    // One of a feed that is whole, one of a feed with gaps before what is there, one in the middle of these.
    let whole = put("whole", Start::Oldest).await;
    forget_and_trim(&test, &[goes.no]).await;
    assert!(engine.store().feed_bounds().await.unwrap().1 > Cursor(0));
    let gaps = put("gaps", Start::Oldest).await;
    let mut watch = engine.watch_feed(Start::Reader(gaps.place), EventFilter::default()).await.unwrap();
    let page = watch.page(watch.position(), 1).await.unwrap();
    assert_eq!(page.items[0].no, stays.no);
    let between = watch.place(page.read_to);
    let middle = put("middle", Start::Reader(between)).await;
    assert_eq!(middle.place, between);
    let is_expired = async || {
        let readers = [&whole, &gaps, &middle].map(Clone::clone);
        let lags = engine.lags(&readers).await.unwrap();
        for (reader, lag) in readers.iter().zip(&lags) {
            let watch = engine.watch_feed(Start::Reader(reader.place), EventFilter::default()).await;
            assert_eq!(matches!(watch, Err(FeedError::Expired)), lag.is_expired, "{reader:?}");
        }
        lags.iter().map(|lag| lag.is_expired).collect::<Vec<_>>()
    };
    assert_eq!(is_expired().await, [true, false, false]);
    let missed = test.submit(new_job()).await;
    forget_and_trim(&test, &[missed.no]).await;
    assert_eq!(is_expired().await, [true, true, true]);
    assert!(watch.page(page.read_to, 9).await.is_err(), "nor does a watch of it go on");
    // Without a name, what is there is read on.
    let plain = engine.watch_feed(Start::Behind(between), EventFilter::default()).await.unwrap();
    assert!(plain.gaps_below() > gaps.place.gaps_below);
    let again = engine.put_reader(name("gaps"), Start::Reader(gaps.place), Expected::Anything).await;
    assert!(again.is_err(), "it cannot be put where it has missed something");
    let anew = put("gaps", Start::Oldest).await;
    assert!(!engine.lags(&[anew]).await.unwrap()[0].is_expired);
    test.engine.stop().await;
}
