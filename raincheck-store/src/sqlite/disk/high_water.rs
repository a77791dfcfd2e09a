//! The high-water mark: how far the feed had come, kept outside of the database and its log.
//!
//! After a crash SQLite reads its write-ahead log as far as that is whole and takes the rest as never written. So a
//! damaged log, or one that was removed, would take acknowledged jobs with it in silence. The mark follows the commits a
//! moment later, off their path, and never says more than is on disk: a database that ends before it has lost something.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

/// Each of the two copies, bytes: one line of text. They are written in turn, so that one that was cut off in the middle
/// leaves the other.
const LINE: usize = 128;
/// The copies lie so far apart that no sector and no page holds both.
const APART: u64 = 4_096;
/// After a loss the feed goes on so far behind the mark, which may have been a moment late: no cursor that was given out
/// may come again and mean something else.
const BEHIND: i64 = 1_000_000;

/// What a mark says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The last event of the feed that was on disk.
    pub head: i64,
    /// The first and the last of those events that a start found to be missing.
    pub missing: Option<(i64, i64)>,
}

/// The mark of a store that is open.
#[derive(Debug)]
pub(crate) struct HighWater {
    file: File,
    said: Said,
    /// Which copy is written next.
    second: bool,
    durable: bool,
    /// The last write failed, which was logged.
    failed: bool,
}

/// Where the mark of a database lies.
pub(crate) fn path(database: &Path) -> PathBuf {
    database.with_extension("mark")
}

/// What the mark of a database says; nothing where there is none.
///
/// # Errors
/// When it can't be read, or says nothing that makes sense.
pub(crate) fn read(database: &Path) -> io::Result<Option<Said>> {
    match File::open(path(database)) {
        Ok(file) => said(&file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn said(file: &File) -> io::Result<Option<Said>> {
    let mut copies = Vec::new();
    for at in [0, APART] {
        let mut line = [0; LINE];
        match file.read_exact_at(&mut line, at) {
            Ok(()) => copies.push(line),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(error),
        }
    }
    let read = copies.iter().filter_map(parse).max_by_key(|said| said.head);
    if read.is_none() && file.metadata()?.len() > 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged"));
    }
    Ok(read)
}

fn sum(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn line(said: Said) -> [u8; LINE] {
    let (from, to) = said.missing.unwrap_or_default();
    let text = format!("raincheck mark head {:019} missing {from:019} {to:019}", said.head.max(0));
    let text = format!("{text} sum {}", sum(&text));
    let mut line = [b' '; LINE];
    line[..text.len()].copy_from_slice(text.as_bytes());
    line[LINE - 1] = b'\n';
    line
}

fn parse(line: &[u8; LINE]) -> Option<Said> {
    let (text, written) = std::str::from_utf8(line).ok()?.trim_end().rsplit_once(" sum ")?;
    let mut words = text.strip_prefix("raincheck mark head ")?.split(' ');
    let head = words.next()?.parse().ok()?;
    let (from, to) = (words.nth(1)?.parse().ok()?, words.next()?.parse().ok()?);
    (written == sum(text)).then_some(Said { head, missing: (to > 0).then_some((from, to)) })
}

impl HighWater {
    /// Opens the mark of a database, which one server has; made if it is not there.
    pub fn open(database: &Path, durable: bool) -> io::Result<Self> {
        let path = path(database);
        let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        if durable {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()?;
        }
        let said = said(&file).unwrap_or_else(|error| {
            tracing::warn!(%error, mark = %path.display(), "the mark can't be read: nobody can tell whether events are missing");
            None
        });
        Ok(HighWater { file, said: said.unwrap_or_default(), second: false, durable, failed: false })
    }

    /// Judges a database whose feed ends at `head`, and moves that on where something is missing. Says so at every start,
    /// until the file of the mark is removed.
    pub fn begin(&mut self, db: &Connection, mut head: i64) -> rusqlite::Result<()> {
        if self.said.head > head {
            let from = self.said.missing.map_or(head + 1, |(from, _)| from.min(head + 1));
            self.said.missing = Some((from, self.said.head));
            head = self.said.head.saturating_add(BEHIND);
            // Readers that come with an older cursor are told that they have missed something.
            db.execute(
                "INSERT INTO meta VALUES ('feed_floor', ?1) ON CONFLICT (name) DO UPDATE SET value=max(value, ?1)",
                params![head],
            )?;
            self.reach(head);
        }
        if let Some((from, to)) = self.said.missing {
            tracing::error!(
                from,
                to,
                "events that were acknowledged are missing, and with them whatever they were about: the write-ahead log \
                 was damaged or removed; see `raincheck doctor`"
            );
        }
        // Not written yet: what a killed server left in the log is read, but may not be on disk before the next commit is.
        self.said.head = head;
        Ok(())
    }

    /// Where the feed goes on.
    pub fn head(&self) -> i64 {
        self.said.head
    }

    /// Follows the feed to `head`, which is on disk.
    pub fn reach(&mut self, head: i64) {
        self.said.head = head.max(self.said.head);
        let at = if self.second { APART } else { 0 };
        let written = self.file.write_all_at(&line(self.said), at);
        let written = written.and_then(|()| if self.durable { self.file.sync_data() } else { Ok(()) });
        self.second = !self.second;
        if let Err(error) = &written
            && !self.failed
        {
            tracing::warn!(%error, "the mark can't be written: a damaged log would go unnoticed until it can");
        }
        self.failed = written.is_err();
    }

    /// How many events are known to be missing.
    pub fn missing(&self) -> u64 {
        self.said.missing.map_or(0, |(from, to)| to.abs_diff(from) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_back_and_survives_a_write_that_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("raincheck.db");
        assert_eq!(read(&database).unwrap(), None);
        let mut mark = HighWater::open(&database, true).unwrap();
        mark.reach(7);
        mark.reach(12);
        assert_eq!(read(&database).unwrap(), Some(Said { head: 12, missing: None }));
        // The second copy was written last.
        mark.file.write_all_at(b"raincheck mark head 99", APART).unwrap();
        assert_eq!(read(&database).unwrap(), Some(Said { head: 7, missing: None }));
        mark.file.write_all_at(b"x", 20).unwrap();
        assert!(read(&database).is_err());
    }

    #[test]
    fn what_is_missing_stays_said_and_no_cursor_comes_again() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("raincheck.db");
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL)").unwrap();
        let open = || HighWater::open(&database, true).unwrap();
        open().begin(&db, 0).unwrap();
        assert_eq!(open().head(), 0);
        open().reach(20);
        let mut mark = open();
        mark.begin(&db, 14).unwrap();
        let on = mark.head();
        assert_eq!((on, mark.missing()), (20 + BEHIND, 6));
        let floor: i64 = db.query_row("SELECT value FROM meta", [], |row| row.get(0)).unwrap();
        assert_eq!(floor, on);
        mark.reach(on + 5);
        let mut mark = open();
        mark.begin(&db, on + 5).unwrap();
        assert_eq!((mark.head(), mark.missing()), (on + 5, 6));
        assert_eq!(read(&database).unwrap().unwrap().missing, Some((15, 20)));
    }
}
