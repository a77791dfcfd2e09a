//! Streams and logs of runs.

use bytes::Bytes;
use raincheck_core::{Append, ChunkKind, Command, LeaseRef, Outcome, Reply};

use super::{World, complete, new_job};

const LIMIT: u64 = 1 << 20;

fn piece(lease: LeaseRef, kind: ChunkKind, offset: Option<u64>, bytes: &[u8]) -> Append {
    let bytes = Bytes::copy_from_slice(bytes);
    Append { lease, kind, offset, bytes, content_type: Some("text/x".into()), limit: LIMIT }
}

async fn append(world: &World, lease: LeaseRef, offset: Option<u64>, bytes: &[u8]) -> Reply {
    world.one(Command::Append(piece(lease, ChunkKind::Stream, offset, bytes))).await
}

async fn text(world: &World, lease: LeaseRef, kind: ChunkKind, offset: u64) -> String {
    let chunks = world.store.chunks(lease.no, kind, lease.attempt, offset, usize::MAX).await.unwrap();
    let mut at = offset;
    for chunk in &chunks {
        assert_eq!(chunk.offset, at, "no hole, no double");
        at += chunk.bytes.len() as u64;
    }
    String::from_utf8(chunks.iter().flat_map(|chunk| chunk.bytes.to_vec()).collect()).unwrap()
}

/// Pieces follow each other; the size and type of the whole are known; readers may begin anywhere.
pub async fn offsets_grow_and_read_back(world: &mut World) {
    let lease = world.running(new_job()).await;
    assert_eq!(append(world, lease, None, b"hello ").await, Reply::Appended(6));
    assert_eq!(append(world, lease, Some(6), b"wor").await, Reply::Appended(9));
    assert_eq!(append(world, lease, None, b"ld").await, Reply::Appended(11));
    assert_eq!(append(world, lease, None, b"").await, Reply::Appended(11));
    for offset in 0..=12 {
        let expected = "hello world".get(offset..).unwrap_or_default();
        assert_eq!(text(world, lease, ChunkKind::Stream, offset as u64).await, expected);
    }
    let info = world.store.chunk_info(lease.no, ChunkKind::Stream, 1).await.unwrap();
    assert_eq!((info.size, info.content_type.as_deref()), (11, Some("text/x")));
    world.end(lease, complete("1")).await;
    world.restart().await;
    assert_eq!(text(world, lease, ChunkKind::Stream, 0).await, "hello world", "it outlives the run and the server");
}

/// A sender that does not know how far it came says its bytes again; they stand once.
pub async fn repeats_are_not_doubled(world: &mut World) {
    let lease = world.running(new_job()).await;
    append(world, lease, Some(0), b"abcdef").await;
    assert_eq!(append(world, lease, Some(0), b"abc").await, Reply::Appended(6));
    assert_eq!(append(world, lease, Some(0), b"abcdef").await, Reply::Appended(6));
    assert_eq!(append(world, lease, Some(3), b"defghi").await, Reply::Appended(9));
    assert_eq!(text(world, lease, ChunkKind::Stream, 0).await, "abcdefghi");
}

/// Bytes from behind the end are not taken: the sender learns where the end is.
pub async fn holes_are_not_written(world: &mut World) {
    let lease = world.running(new_job()).await;
    assert_eq!(append(world, lease, Some(5), b"later").await, Reply::Appended(0));
    append(world, lease, None, b"abc").await;
    assert_eq!(append(world, lease, Some(4), b"efg").await, Reply::Appended(3));
    assert_eq!(append(world, lease, Some(u64::MAX), b"x").await, Reply::Appended(3));
    assert_eq!(text(world, lease, ChunkKind::Stream, 0).await, "abc");
}

/// A stream takes as much as it may, and says so when that is reached.
pub async fn caps_hold(world: &mut World) {
    let lease = world.running(new_job()).await;
    let capped = |bytes: &[u8]| Append { limit: 10, ..piece(lease, ChunkKind::Stream, None, bytes) };
    assert_eq!(world.one(Command::Append(capped(b"12345678"))).await, Reply::Appended(8));
    assert_eq!(world.one(Command::Append(capped(b"901"))).await, Reply::Full);
    assert_eq!(world.one(Command::Append(capped(b"90"))).await, Reply::Appended(10));
    assert_eq!(world.one(Command::Append(capped(b"1"))).await, Reply::Full);
    let again = Append { offset: Some(8), ..capped(b"90") };
    assert_eq!(world.one(Command::Append(again)).await, Reply::Appended(10), "a repeat is not over the cap");
    assert_eq!(text(world, lease, ChunkKind::Stream, 0).await, "1234567890");
}

/// A large piece reads back from any place, in parts of about the size asked for.
pub async fn large_pieces_are_cut_and_read_anywhere(world: &mut World) {
    let lease = world.running(new_job()).await;
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| b'a' + (n % 23) as u8).collect();
    append(world, lease, None, &bytes[..70_000]).await;
    assert_eq!(append(world, lease, None, &bytes[70_000..]).await, Reply::Appended(200_000));
    for offset in [0, 1, 65_535, 65_536, 65_537, 69_999, 70_000, 135_535, 135_536, 199_999, 200_000] {
        assert_eq!(text(world, lease, ChunkKind::Stream, offset as u64).await.as_bytes(), &bytes[offset..], "{offset}");
    }
    let first = world.store.chunks(lease.no, ChunkKind::Stream, 1, 10, 1_000).await.unwrap();
    assert_eq!((first.len(), first[0].offset, first[0].attempt), (1, 10, 1));
    assert_eq!(first[0].bytes, bytes[10..1_010], "no more than was asked for");
}

/// A new attempt streams from the start; the old stream stays readable.
pub async fn streams_are_per_attempt(world: &mut World) {
    let first = world.running(new_job()).await;
    append(world, first, None, b"one").await;
    world.end(first, Outcome::Release { delay: 0 }).await;
    let second = world.run_one().await;
    assert_eq!(append(world, second, Some(0), b"twofold").await, Reply::Appended(7));
    assert_eq!(text(world, first, ChunkKind::Stream, 0).await, "one");
    assert_eq!(text(world, second, ChunkKind::Stream, 0).await, "twofold");
    assert_eq!(world.store.chunk_info(first.no, ChunkKind::Stream, 3).await.unwrap().size, 0);
}

/// All attempts write one log; each counts from where it began, so that its repeats are known.
pub async fn the_log_is_one(world: &mut World) {
    let first = world.running(new_job()).await;
    world.one(Command::Append(piece(first, ChunkKind::Log, None, b"one "))).await;
    append(world, first, None, b"a stream is apart").await;
    world.end(first, Outcome::Release { delay: 0 }).await;
    let second = world.run_one().await;
    for (offset, bytes, end) in
        [(None, &b""[..], 0), (None, b"two", 3), (Some(0), b"two", 3), (Some(1), b"wo ", 4), (Some(9), b"x", 4)]
    {
        let reply = world.one(Command::Append(piece(second, ChunkKind::Log, offset, bytes))).await;
        assert_eq!(reply, Reply::Appended(end), "{offset:?}");
    }
    let capped = Append { limit: 9, ..piece(second, ChunkKind::Log, None, b"ab") };
    assert_eq!(world.one(Command::Append(capped)).await, Reply::Full, "the cap is the whole log's");
    assert_eq!(world.store.chunk_info(first.no, ChunkKind::Log, 1).await.unwrap().size, 8);
    for lease in [first, second] {
        assert_eq!(text(world, lease, ChunkKind::Log, 0).await, "one two ");
    }
}

/// A run that is ended from outside may still say how its program was stopped, until another begins.
pub async fn last_lines_of_a_run_are_kept(world: &mut World) {
    let log = |lease, bytes| Command::Append(piece(lease, ChunkKind::Log, None, bytes));
    let first = world.running(new_job()).await;
    world.one(log(first, b"one ")).await;
    world.end(first, Outcome::Release { delay: 0 }).await;
    assert_eq!(world.one(log(first, b"stopped ")).await, Reply::Appended(12));
    assert!(matches!(append(world, first, None, b"x").await, Reply::LeaseLost(_)), "a stream ends with its run");
    let second = world.run_one().await;
    assert!(matches!(world.one(log(first, b"x")).await, Reply::LeaseLost(_)));
    assert_eq!(world.one(log(second, b"two ")).await, Reply::Appended(4));
    world.end(second, complete("1")).await;
    assert_eq!(world.one(log(second, b"over")).await, Reply::Appended(8));
    assert_eq!(text(world, second, ChunkKind::Log, 0).await, "one stopped two over");
}

/// Only the present run writes.
pub async fn only_the_running_attempt_writes(world: &mut World) {
    let first = world.running(new_job()).await;
    world.end(first, Outcome::Release { delay: 0 }).await;
    assert!(matches!(append(world, first, None, b"x").await, Reply::LeaseLost(_)));
    let second = world.run_one().await;
    assert!(matches!(append(world, first, None, b"x").await, Reply::LeaseLost(_)));
    world.end(second, complete("1")).await;
    assert!(matches!(append(world, second, None, b"x").await, Reply::LeaseLost(_)));
    assert_eq!(append(world, LeaseRef { no: raincheck_core::JobNo(7), attempt: 1 }, None, b"x").await, Reply::Gone);
    assert_eq!(text(world, second, ChunkKind::Stream, 0).await, "");
}
