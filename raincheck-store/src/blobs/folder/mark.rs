//! Whose a place of large payloads is: the id of its store stands there, in a file or an object of its own. A server takes
//! no place that bears another store's mark, nor one without a mark in which something lies: it would take what it does not
//! know there for its own rubbish.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fmt, thread};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::blobs::layout::{MARK, ORPHANS, TEMPORARY, is_shard};
use crate::blobs::refusal::Refusal;
use crate::blobs::store_id::StoreId;
use crate::folder;

/// What a file system has for its own purposes in the topmost folder of a volume.
const VOLUMES: [&str; 4] = ["lost+found", ".snapshot", ".snapshots", ".zfs"];
/// How long a node waits for another one that is just marking the folder of both.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// How a folder is held.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::blobs) enum Hold {
    /// By one process.
    Alone,
    /// By all nodes of its store.
    Shared,
}

/// The ids in a mark; none in one that was not written to its end.
pub(in crate::blobs) fn parse(place: &dyn fmt::Display, text: &str) -> io::Result<Vec<StoreId>> {
    let unreadable =
        || io::Error::new(io::ErrorKind::InvalidData, format!("{place}/{MARK} holds something else than a store's id"));
    let Some(whole) = text.strip_suffix('\n') else {
        return if text.len() < 32 {
            Ok(Vec::new())
        } else {
            StoreId::read(text).map(|id| vec![id]).ok_or_else(unreadable)
        };
    };
    whole.lines().map(|line| StoreId::read(line.trim()).ok_or_else(unreadable)).collect()
}

/// Whether one of these is ours.
pub(in crate::blobs) fn judge(place: &dyn fmt::Display, theirs: &[StoreId], ours: StoreId) -> io::Result<()> {
    if theirs.contains(&ours) { Ok(()) } else { Err(Refusal::foreign(place, theirs, ours).into()) }
}

/// The ids in the mark of a folder, as it lies; none where there is no mark.
pub(crate) fn owners(root: &Path) -> io::Result<Vec<StoreId>> {
    match fs::read_to_string(root.join(MARK)) {
        Ok(text) => parse(&root.display(), &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Whether something may lie beside the payloads: the mark, and what file systems make.
pub(in crate::blobs) fn is_expected(name: &str) -> bool {
    name == MARK || VOLUMES.contains(&name)
}

/// Something that lies in a folder and makes it one that is not for the taking. Folders of payloads in which there is
/// nothing do not, and what file systems make does not.
pub(crate) fn holds(root: &Path) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_expected(&name) {
            continue;
        }
        let is_ours = is_shard(&name) || name == TEMPORARY || name == ORPHANS;
        if is_ours && entry.file_type()?.is_dir() && fs::read_dir(entry.path())?.next().is_none() {
            continue;
        }
        return Ok(Some(format!("`{name}`")));
    }
    Ok(None)
}

/// Marks a folder that is empty, or finds it marked as this store's; holds it for as long as the file is open.
pub(in crate::blobs) fn claim(root: &Path, id: StoreId, hold: Hold) -> io::Result<File> {
    let began = Instant::now();
    let place = root.display();
    let name = root.join(MARK);
    let mut file = loop {
        let marked = name.exists();
        if !marked && let Some(holds) = holds(root)? {
            return Err(Refusal::unmarked(&place, &holds, Some(id)).into());
        }
        let mut options = File::options();
        match options.read(true).write(true).create_new(!marked).mode(0o600).open(&name) {
            Ok(file) => break file,
            // It came or went since.
            Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
                if began.elapsed() > PATIENCE {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    };
    loop {
        let first = if hold == Hold::Alone {
            FlockOperation::NonBlockingLockExclusive
        } else {
            FlockOperation::NonBlockingLockShared
        };
        if lock(&file, root, first)? {
            let theirs = read(&mut file, root)?;
            if !theirs.is_empty() {
                judge(&place, &theirs, id)?;
                return Ok(file);
            }
            // Nobody else may be about to write another id.
            if lock(&file, root, FlockOperation::NonBlockingLockExclusive)? {
                if read(&mut file, root)?.is_empty() {
                    if let Some(holds) = holds(root)? {
                        return Err(Refusal::unmarked(&place, &holds, Some(id)).into());
                    }
                    write(&mut file, root, &[id])?;
                }
                if lock(&file, root, first)? {
                    continue;
                }
            }
        }
        if hold == Hold::Alone || began.elapsed() > PATIENCE {
            return Err(Refusal::in_use(root).into());
        }
        // Two that both wait for the other would do so for ever.
        flock(&file, FlockOperation::Unlock)?;
        thread::sleep(PAUSE);
    }
}

/// Lets another store in as well, or leaves it alone there; for data that moves from one to the other.
pub(in crate::blobs) fn rewrite(root: &Path, ids: &[StoreId]) -> io::Result<()> {
    let (name, fresh) = (root.join(MARK), root.join(format!("{MARK}.new")));
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(text(ids).as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, &name)?;
    File::open(root)?.sync_all()
}

/// What stands in a mark.
pub(in crate::blobs) fn text(ids: &[StoreId]) -> String {
    ids.iter().map(|id| format!("{id}\n")).collect()
}

fn read(file: &mut File, root: &Path) -> io::Result<Vec<StoreId>> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    parse(&root.display(), &text)
}

fn write(file: &mut File, root: &Path, ids: &[StoreId]) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text(ids).as_bytes())?;
    file.sync_all()?;
    folder::make_own(&root.join(MARK))?;
    File::open(root)?.sync_all()
}

/// Whether it was had. Where a file system knows no locks, nobody is kept out.
fn lock(file: &File, root: &Path, operation: FlockOperation) -> io::Result<bool> {
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error @ (Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL)) => {
            tracing::warn!(%error, folder = %root.display(), "no lock can be had: a second process is not kept out");
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_is_marked_and_found_again() {
        let root = tempfile::tempdir().unwrap();
        let (ours, theirs) = (StoreId::fresh(), StoreId::fresh());
        fs::create_dir(root.path().join("lost+found")).unwrap();
        fs::create_dir(root.path().join("3f")).unwrap();
        drop(claim(root.path(), ours, Hold::Alone).unwrap());
        assert_eq!(owners(root.path()).unwrap(), [ours]);
        let held = claim(root.path(), ours, Hold::Alone).unwrap();
        let refused = claim(root.path(), ours, Hold::Alone).unwrap_err().to_string();
        assert!(refused.contains("in use"), "{refused}");
        drop(held);
        for hold in [Hold::Alone, Hold::Shared] {
            let refused = claim(root.path(), theirs, hold).unwrap_err().to_string();
            assert!(refused.contains("belongs to another store"), "{refused}");
        }
        let nodes = [claim(root.path(), ours, Hold::Shared).unwrap(), claim(root.path(), ours, Hold::Shared).unwrap()];
        drop(nodes);
        rewrite(root.path(), &[ours, theirs]).unwrap();
        drop(claim(root.path(), theirs, Hold::Alone).unwrap());
        rewrite(root.path(), &[theirs]).unwrap();
        assert!(claim(root.path(), ours, Hold::Alone).is_err());
    }

    #[test]
    fn what_holds_something_is_not_marked() {
        for file in ["photo.jpg", "3f/0123", "tmp/x", "store-id.bak", ".hidden"] {
            let root = tempfile::tempdir().unwrap();
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
            for hold in [Hold::Alone, Hold::Shared] {
                let refused = claim(root.path(), StoreId::fresh(), hold).unwrap_err().to_string();
                assert!(refused.contains("bears no mark"), "{refused}");
            }
            assert!(!root.path().join(MARK).exists());
        }
    }

    /// As a crash in the middle of marking leaves it.
    #[test]
    fn a_mark_that_was_not_finished_is_written_again() {
        let root = tempfile::tempdir().unwrap();
        let ours = StoreId::fresh();
        for begun in ["", "0123"] {
            fs::write(root.path().join(MARK), begun).unwrap();
            drop(claim(root.path(), ours, Hold::Shared).unwrap());
            assert_eq!(owners(root.path()).unwrap(), [ours]);
        }
        fs::write(root.path().join(MARK), "").unwrap();
        fs::write(root.path().join("photo.jpg"), "x").unwrap();
        assert!(claim(root.path(), ours, Hold::Alone).is_err());
        fs::write(root.path().join(MARK), "what is this, and who has put it there?\n").unwrap();
        assert_eq!(claim(root.path(), ours, Hold::Alone).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = StoreId::fresh();
        assert_eq!(parse(&"here", &text(&[id])).unwrap(), [id]);
        assert_eq!(parse(&"here", &id.to_string()).unwrap(), [id], "somebody may have written it by hand");
        assert_eq!(StoreId([0; 16]).to_string(), "0".repeat(32));
    }

    #[test]
    fn many_nodes_mark_one_folder_at_once() {
        let root = tempfile::tempdir().unwrap();
        let id = StoreId::fresh();
        thread::scope(|scope| {
            let nodes: Vec<_> = (0..8).map(|_| scope.spawn(|| claim(root.path(), id, Hold::Shared))).collect();
            nodes.into_iter().for_each(|node| drop(node.join().unwrap().unwrap()));
        });
        assert_eq!(owners(root.path()).unwrap(), [id]);
    }
}
