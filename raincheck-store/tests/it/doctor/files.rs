//! Damage outside of rows: files, pages, the disk, the clock.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raincheck_core::{SteppedClock, Timestamp};
use raincheck_store::{Invariant, SqliteDoctor, SqliteOptions, Store as _};

use super::store::{everything, examined, filled, hurt, options};

fn blob(folder: &Path) -> PathBuf {
    let shards = fs::read_dir(folder.join("blobs")).unwrap().map(|shard| shard.unwrap().path());
    let mut files =
        shards.filter(|shard| shard.is_dir() && !shard.ends_with("tmp")).flat_map(|shard| fs::read_dir(shard).unwrap());
    files.next().unwrap().unwrap().path()
}

#[tokio::test]
async fn damage_outside_of_rows_is_found() {
    let sound = tempfile::tempdir().unwrap();
    filled(sound.path()).await.close().await;
    let expect = async |found: Invariant, says: &str, damage: &dyn Fn(&Path)| {
        let hurt = hurt(sound.path(), damage);
        let findings = examined(hurt.path()).await;
        let hit =
            findings.iter().all(|one| one.invariant == found) && findings.iter().any(|one| one.detail.contains(says));
        assert!(hit, "{found:?} {says:?}: {findings:#?}");
    };
    expect(Invariant::Files, "can't be had", &|folder| fs::remove_file(blob(folder)).unwrap()).await;
    expect(Invariant::Files, "has 2 bytes", &|folder| fs::write(blob(folder), "xx").unwrap()).await;
    expect(Invariant::Orphans, "no job refers to it; 3 bytes", &|folder| {
        fs::write(folder.join(format!("blobs/ab/ab{:030x}", 7)), "abc").unwrap();
    })
    .await;
    expect(Invariant::Permissions, "mode 777", &|folder| {
        fs::set_permissions(folder.join("blobs"), fs::Permissions::from_mode(0o777)).unwrap();
    })
    .await;
    expect(Invariant::Log, "513 MiB", &|folder| {
        File::create(folder.join("raincheck.db-wal")).unwrap().set_len(513 << 20).unwrap();
    })
    .await;
    expect(Invariant::Journal, "it has 2 names", &|folder| {
        fs::hard_link(folder.join("raincheck.db"), folder.join("other.db")).unwrap();
    })
    .await;
    let bare = hurt(sound.path(), |folder| fs::remove_dir_all(folder.join("blobs")).unwrap());
    let all = everything(&mut SqliteDoctor::open(&options(bare.path()), false).unwrap()).await.findings;
    assert!(!all.is_empty() && all.iter().all(|one| one.invariant != Invariant::Space), "{all:#?}");
    // A page of the table of jobs, overwritten as a failing disk would.
    let hurt = hurt(sound.path(), |folder| {
        let path = folder.join("raincheck.db");
        let db = rusqlite::Connection::open(&path).unwrap();
        let root: u32 =
            db.query_row("SELECT rootpage FROM sqlite_schema WHERE name='job'", [], |row| row.get(0)).unwrap();
        db.close().unwrap();
        let (mut bytes, root) = (fs::read(&path).unwrap(), root as usize);
        bytes[(root - 1) * 4096..root * 4096].fill(0xa5);
        fs::write(&path, bytes).unwrap();
    });
    let all = everything(&mut SqliteDoctor::open(&options(hurt.path()), false).unwrap()).await;
    assert!(all.findings.iter().any(|one| one.invariant == Invariant::Database), "{all:#?}");
    assert!(all.unjudged.iter().any(|(invariant, _)| *invariant == Invariant::Rows), "what was not reached: {all:#?}");
    let early = Arc::new(SteppedClock::new(Timestamp(1_760_000_000_000 - 1_461 * 86_400_000)));
    let behind = SqliteOptions { clock: early, ..options(sound.path()) };
    let findings = everything(&mut SqliteDoctor::open(&behind, false).unwrap()).await.findings;
    let details = findings.iter().map(|one| (one.invariant, &*one.detail)).collect::<Vec<_>>();
    assert_eq!(details, [(Invariant::Clock, "it is 1461 days behind the last change of the data")]);
    let full = SqliteOptions { reserve_bytes: u64::MAX, ..options(sound.path()) };
    let findings = everything(&mut SqliteDoctor::open(&full, false).unwrap()).await.findings;
    assert!(findings.iter().all(|one| one.invariant == Invariant::Space) && findings.len() == 1, "{findings:#?}");
}
