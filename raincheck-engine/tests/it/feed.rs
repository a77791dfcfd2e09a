use raincheck_core::{Cancel, Command, Cursor, State, Trim};
use raincheck_engine::{Engine, FeedError};
use raincheck_store::EventFilter;

use crate::bed::{Bed, name, new_job};

/// Reads `count` events from a cursor, then breaks off; answers them and where to go on.
async fn read(engine: &Engine, after: Option<Cursor>, count: usize) -> (Vec<i64>, Cursor) {
    let mut watch = engine.watch_feed(after, EventFilter::default()).await.unwrap();
    let mut cursors = Vec::new();
    while cursors.len() < count {
        cursors.push(watch.next().await.unwrap().unwrap().cursor.0);
    }
    (cursors, watch.position())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_read_in_pieces_beside_writers_is_the_whole_feed() {
    let bed = Bed::new().await;
    const WRITERS: usize = 4;
    const EACH: usize = 400;
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let engine = bed.engine.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    engine.submit(vec![new_job()]).await.unwrap();
                }
            })
        })
        .collect();
    let (mut seen, mut cursor) = (Vec::new(), Some(Cursor(0)));
    while seen.len() < WRITERS * EACH {
        let piece = 37.min(WRITERS * EACH - seen.len());
        let (cursors, position) = read(&bed.engine, cursor, piece).await;
        seen.extend(cursors);
        cursor = bed.engine.decode_cursor(&bed.engine.encode_cursor(position));
        assert!(cursor.is_some());
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let page = bed.engine.store().events(Cursor(0), &EventFilter::default(), 100_000).await.unwrap();
    let all: Vec<i64> = page.items.iter().map(|event| event.cursor.0).collect();
    assert_eq!(seen, all, "beside the writers");
    let (mut again, mut cursor) = (Vec::new(), Cursor(0));
    while again.len() < all.len() {
        let (cursors, position) = read(&bed.engine, Some(cursor), 37.min(all.len() - again.len())).await;
        again.extend(cursors);
        cursor = position;
    }
    assert_eq!(again, all, "after them");
    bed.engine.stop().await;
}

#[tokio::test]
async fn a_slow_reader_falls_back_to_the_store() {
    let bed = Bed::new().await;
    let mut watch = bed.engine.watch_feed(None, EventFilter::default()).await.unwrap();
    // More than the hub keeps for those who are behind.
    for _ in 0..10 {
        bed.engine.submit((0..1_000).map(|_| new_job()).collect()).await.unwrap();
    }
    let mut last = watch.position().0;
    for _ in 0..10_000 {
        let event = watch.next().await.unwrap().unwrap();
        assert!(event.cursor.0 > last);
        last = event.cursor.0;
    }
    bed.submit(new_job()).await;
    assert!(watch.next().await.unwrap().unwrap().cursor.0 > last);
    bed.engine.stop().await;
}

#[tokio::test]
async fn a_filter_passes_what_it_says_and_the_position_moves_on() {
    let bed = Bed::new().await;
    let filter = EventFilter { kind: Some(name("k")), states: vec![State::Succeeded], ..EventFilter::default() };
    let mut watch = bed.engine.watch_feed(Some(Cursor(0)), filter).await.unwrap();
    let job = bed.submit(new_job()).await;
    bed.complete(bed.lease().await.job.lease_ref()).await;
    let event = watch.next().await.unwrap().unwrap();
    assert_eq!((event.job, event.state), (job.id, State::Succeeded));
    assert_eq!(watch.position(), event.cursor);
    bed.engine.stop().await;
}

#[tokio::test]
async fn cursors_of_the_future_are_refused() {
    let bed = Bed::new().await;
    let ahead = bed.engine.watch_feed(Some(Cursor(1_000_000)), EventFilter::default()).await;
    assert!(matches!(ahead.err(), Some(FeedError::Lost)));
    assert_eq!(bed.engine.decode_cursor("AAAA"), None);
    bed.engine.stop().await;
}

/// Who begins at the oldest event is led on through the part that lost events of forgotten jobs, page by page; whoever comes
/// with another place there has missed something.
#[tokio::test]
async fn the_oldest_part_of_a_trimmed_feed_is_read_page_by_page() {
    let bed = Bed::with(|options| options.feed.max_bytes = 0).await;
    let (one, goes, two) = (bed.submit(new_job()).await, bed.submit(new_job()).await, bed.submit(new_job()).await);
    let last = bed.submit(new_job()).await;
    for no in [goes.no, last.no] {
        bed.engine.store().apply(vec![Command::Cancel(Cancel { no, force: false }), Command::Purge(no)]).await.unwrap();
    }
    let later = bed.submit(new_job()).await;
    bed.engine.store().apply(vec![Command::Trim(Trim::of(99))]).await.unwrap();
    let (_, floor) = bed.engine.store().feed_bounds().await.unwrap();
    let (mut jobs, mut place) = (Vec::new(), Cursor(0));
    while jobs.len() < 3 {
        let mut watch = bed.engine.watch_feed(Some(place), EventFilter::default()).await.unwrap();
        let page = watch.page(watch.position(), 1).await.unwrap();
        jobs.extend(page.items.iter().map(|event| event.no));
        place = watch.place(page.read_to);
        if page.read_to < floor {
            let bare = bed.engine.watch_feed(Some(page.read_to), EventFilter::default()).await;
            assert!(matches!(bare, Err(FeedError::Expired)));
            place = bed.engine.decode_cursor(&bed.engine.encode_cursor(place)).unwrap();
        }
    }
    assert_eq!(jobs, [one.no, two.no, later.no]);
    assert!(place >= floor, "nothing is missing from here on: {place:?}");
    bed.engine.stop().await;
}
