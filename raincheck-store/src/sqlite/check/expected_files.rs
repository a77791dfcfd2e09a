//! Files that rows refer to, beside what lies there.

use std::path::Path;
use std::{fs, io, io::Read as _};

use raincheck_core::Digest;
use rusqlite::{Connection, Result, params};

use crate::blobs::BlobFolder;
use crate::checkup::{CheckPage, Invariant};
use crate::rules::Hash;

/// Read of a file at once, bytes.
const PIECE: usize = 256 << 10;

/// A file that a row refers to.
pub(crate) struct Expected {
    /// Number of the job.
    pub no: i64,
    /// Its id, for findings.
    pub subject: Box<str>,
    /// Name of the file in the folder of large payloads.
    pub name: Box<str>,
    /// As the row has it, bytes.
    pub size: i64,
    /// As the row has it; `None` when none was kept.
    pub digest: Option<Digest>,
    /// Where the row stands: `spec` or `result`.
    pub table: &'static str,
}

/// Looks for files after the transaction that read their rows: a job purged since then rightly has none. With `read` they
/// are read and compared with their digests.
pub(crate) fn look_for(
    expected: Vec<Expected>,
    db: &Connection,
    blobs: &BlobFolder,
    read: bool,
    page: &mut CheckPage,
) -> Result<()> {
    for Expected { no, subject, name, size, digest, table } in expected {
        page.examined += 1;
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
