//! Large payloads: the files that rows refer to, and the files that lie there.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io, io::Read as _};

use raincheck_core::Digest;
use rusqlite::{Connection, Result, params};

use super::{Look, Stage};
use crate::blobs::{BlobFolder, Lying, owners};
use crate::checkup::{CheckPage, ELSEWHERE, Invariant};
use crate::rules::Hash;
use crate::sqlite::open;

/// A file that nothing refers to yet may be on its way into a job for so long, while a server runs.
const ON_ITS_WAY: Duration = Duration::from_secs(3_600);

/// Files of somebody else that are told of.
const STRANGERS: usize = 100;
/// Read of a file at once, bytes.
const PIECE: usize = 256 << 10;

/// A file that a row refers to.
pub(super) struct Expected {
    pub no: i64,
    pub subject: Box<str>,
    pub name: Box<str>,
    pub size: i64,
    pub digest: Option<Digest>,
    pub table: &'static str,
}

/// Looks for files after the transaction that read their rows: a job purged since then rightly has none. With `read` they
/// are read and compared with their digests.
pub(super) fn look_for(
    expected: Vec<Expected>,
    db: &Connection,
    blobs: &BlobFolder,
    read: bool,
    page: &mut CheckPage,
) -> Result<()> {
    for Expected { no, subject, name, size, digest, table } in expected {
        page.looked += 1;
        let path = blobs.path(&name);
        let looked = fs::metadata(&path).and_then(|file| {
            let digest = digest.filter(|_| read && file.len() == size as u64);
            Ok((file, digest.map(|digest| Ok::<_, io::Error>(digest_of(&path)? == digest)).transpose()?))
        });
        let wrong = match looked {
            Ok((_, Some(false))) => format!("the file {name} is not what was written"),
            Ok((file, _)) if file.len() == size as u64 => continue,
            Ok((file, _)) => format!("the file {name} has {} bytes, not {size}", file.len()),
            Err(error) => format!("the file {name} can't be had: {error}"),
        };
        let sql = format!("SELECT 1 FROM {table} WHERE no=?1 AND blob=?2");
        if db.prepare_cached(&sql)?.exists(params![no, name])? {
            page.found(Invariant::Files, subject, wrong);
        }
    }
    Ok(())
}

/// The digest of a file, read in pieces.
fn digest_of(path: &Path) -> io::Result<Digest> {
    let (mut file, mut hash, mut piece) = (fs::File::open(path)?, Hash::default(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.end()),
            read => hash.add(&piece[..read]),
        }
    }
}

/// The folders of files that were not looked through yet; `None` before the first look.
#[derive(Default)]
pub(super) struct Files(Option<Vec<PathBuf>>);

impl Stage for Files {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        if !look.throttle.files {
            return Ok(false);
        }
        let looked = match &mut self.0 {
            None => look.blobs.shards().map(|shards| self.0 = Some(shards)),
            Some(shards) => match shards.pop() {
                Some(shard) => orphans(&shard, look),
                None => return Ok(false),
            },
        };
        if let Err(error) = looked {
            look.page.found(Invariant::Files, "the folder of large payloads", format!("it can't be read: {error}"));
            return Ok(false);
        }
        Ok(true)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Orphans]
    }
}

fn orphans(shard: &Path, look: &mut Look<'_>) -> io::Result<()> {
    let mut known = look.db.prepare_cached("SELECT 1 FROM blob WHERE name=?1").map_err(io::Error::other)?;
    for Lying { name, size, written, .. } in look.blobs.list(shard)? {
        look.page.looked += 1;
        if known.exists([&*name]).map_err(io::Error::other)? {
            continue;
        }
        let age = written.and_then(|at| SystemTime::now().duration_since(at).ok());
        if look.throttle.alone || age.is_some_and(|age| age > ON_ITS_WAY) {
            look.page.found(Invariant::Orphans, format!("file {name}"), format!("no job refers to it; {size} bytes"));
        }
    }
    Ok(())
}

/// Whether the folder of large payloads is this store's, and what lies in it that is not. What is missing is told by those
/// who miss it.
pub(super) struct Owner;

impl Stage for Owner {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let ours = open::id(look.db)?;
        let root = look.blobs.root().display().to_string();
        match owners(look.blobs.root()) {
            Ok(owners) if owners.is_empty() && open::has_payloads(look.db)? => {
                look.page.found(Invariant::Owner, root, ELSEWHERE.0);
                look.page.unjudged.push((Invariant::Files, ELSEWHERE.1.into()));
                look.throttle.files = false;
            }
            Ok(owners) if owners.is_empty() => look.page.found(Invariant::Owner, root, "it bears no mark"),
            Ok(owners) if ours.is_some_and(|ours| owners.contains(&ours)) => {}
            Ok(_) => look.page.found(Invariant::Owner, root, "it bears the mark of another store"),
            Err(error) => look.page.found(Invariant::Owner, root, format!("its mark can't be read: {error}")),
        }
        // A folder that can't be read is told of by the next stage.
        for stranger in look.blobs.strangers(STRANGERS).unwrap_or_default() {
            let detail = "it is none of the server's, which leaves it alone";
            look.page.found(Invariant::Orphans, format!("file {stranger}"), detail);
        }
        Ok(false)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Owner]
    }
}
