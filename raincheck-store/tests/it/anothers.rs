//! A file that is another program's: it is refused, nothing of it is changed, and nothing is made beside it.

use std::fs;
use std::path::{Path, PathBuf};

use raincheck_store::{SqliteDoctor, SqliteOptions, SqliteStore, Store as _, StoreError};
use rusqlite::Connection;

use crate::folder::fresh;

/// All there is in a folder, byte for byte.
fn all(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    all.sort();
    all
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_as_it_is() {
    let made: [(&str, fn(&Path)); 4] = [
        ("tables", |path| Connection::open(path).unwrap().execute_batch("CREATE TABLE job (no)").unwrap()),
        ("a log", |path| {
            let batch = "PRAGMA journal_mode = WAL; CREATE TABLE bookmark (url)";
            Connection::open(path).unwrap().execute_batch(batch).unwrap();
        }),
        ("a mark of its own", |path| {
            Connection::open(path).unwrap().pragma_update(None, "application_id", 252_006_674).unwrap();
        }),
        ("no database at all", |path| fs::write(path, "hello, I am a text\n".repeat(999)).unwrap()),
    ];
    for (what, make) in made {
        let folder = fresh();
        let options = SqliteOptions { reserve_bytes: 0, ..SqliteOptions::in_folder(folder.path()) };
        make(&options.path);
        let before = all(folder.path());
        match SqliteStore::open(options.clone()).map(drop) {
            Err(StoreError::Refused { why, next }) => {
                assert!(why.contains("raincheck.db is not a Raincheck database"), "{what}: {why}");
                assert!(next.contains("--store"), "{next}");
            }
            other => panic!("{what}: {other:?}"),
        }
        assert!(SqliteDoctor::open(&options, true).is_err(), "{what}");
        assert_eq!(all(folder.path()), before, "{what}");
    }
}

/// It says whose it is from its first moment on, and wherever it is copied to.
#[tokio::test]
async fn a_database_of_ours_is_marked() {
    let (folder, copies) = (fresh(), fresh());
    let options = SqliteOptions { reserve_bytes: 0, ..SqliteOptions::in_folder(folder.path()) };
    // An empty file is nobody's.
    fs::write(&options.path, "").unwrap();
    let store = SqliteStore::open(options.clone()).unwrap();
    SqliteStore::backup(&options, &copies.path().join("copy")).unwrap();
    for path in [options.path.clone(), copies.path().join("copy/raincheck.db")] {
        let header = fs::read(path).unwrap();
        assert_eq!(&header[68..72], b"Rain");
    }
    store.close().await;
    SqliteStore::open(options).unwrap().close().await;
}

/// The disk has the room for the first page, and not yet the page; its journal says that there was nothing before.
#[tokio::test]
async fn a_crash_while_it_is_marked_is_rolled_back() {
    let folder = fresh();
    let options = SqliteOptions { reserve_bytes: 0, ..SqliteOptions::in_folder(folder.path()) };
    fs::write(&options.path, [0; 4096]).unwrap();
    // Magic, no records, a nonce, no pages before, sectors of 512 bytes, pages of 4096.
    let mut journal = vec![0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    for number in [0_u32, 7, 0, 512, 4096] {
        journal.extend(number.to_be_bytes());
    }
    journal.resize(512, 0);
    fs::write(folder.path().join("raincheck.db-journal"), journal).unwrap();
    SqliteStore::open(options.clone()).unwrap().close().await;
    assert_eq!(&fs::read(&options.path).unwrap()[68..72], b"Rain");
}
