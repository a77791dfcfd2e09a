//! Large payloads: the files that rows refer to, and the files that lie there.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::Result;

use crate::blobs::{Lying, owners};
use crate::checkup::{ELSEWHERE, Invariant};
use crate::sqlite::check::stage::{Look, Stage};
use crate::sqlite::tables::meta;

/// A file that nothing refers to yet may be on its way into a job for so long, while a server runs.
const ON_ITS_WAY: Duration = Duration::from_secs(3_600);

/// Files of somebody else that are reported.
const STRANGERS: usize = 100;
/// The folders of files that were not looked through yet; `None` before the first look.
#[derive(Default)]
pub(crate) struct Files(Option<Vec<PathBuf>>);

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
        look.page.examined += 1;
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
pub(crate) struct Owner;

impl Stage for Owner {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let ours = meta::id(look.db)?;
        let root = look.blobs.root().display().to_string();
        match owners(look.blobs.root()) {
            Ok(owners) if owners.is_empty() && meta::has_payloads(look.db)? => {
                look.page.found(Invariant::Owner, root, ELSEWHERE.0);
                look.page.unjudged.push((Invariant::Files, ELSEWHERE.1.into()));
                look.throttle.files = false;
            }
            Ok(owners) if owners.is_empty() => look.page.found(Invariant::Owner, root, "it bears no mark"),
            Ok(owners) if ours.is_some_and(|ours| owners.contains(&ours)) => {}
            Ok(_) => look.page.found(Invariant::Owner, root, "it bears the mark of another store"),
            Err(error) => look.page.found(Invariant::Owner, root, format!("its mark can't be read: {error}")),
        }
        // A folder that can't be read is reported by the next stage.
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
