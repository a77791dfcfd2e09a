//! Large payloads: the files that rows refer to, and the files that lie there.

use std::io::{Error, ErrorKind};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use raincheck_core::Digest;
use tokio_postgres::Client;

use super::stage::{Expected, Look, Result, Stage};
use crate::blobs::{Listing, Lying, StoreId};
use crate::checkup::{CheckPage, ELSEWHERE, Invariant};
use crate::postgres::error::PgError;
use crate::postgres::node::clock::NOW;
use crate::rules::Hash;
use crate::{BlobPlace, Blobs};

/// A file that nothing refers to yet may be on its way into a job for so long, while a server runs.
const ON_ITS_WAY: Duration = Duration::from_secs(3_600);
/// Files asked for at once.
const AT_ONCE: usize = 16;
/// Files of somebody else that are reported.
const STRANGERS: usize = 100;
const KNOWN: &str = "SELECT name FROM blob WHERE name = ANY($1) AND no > 0";

/// Looks for files after the transaction that read their rows: a job purged since then rightly has none. With `read` they
/// are read and compared with their digests.
///
/// # Errors
/// When the storage is out of reach: then nothing is known of any of them.
pub(super) async fn look_for(
    expected: Vec<Expected>,
    db: &Client,
    blobs: &Blobs,
    read: bool,
    page: &mut CheckPage,
) -> Result<()> {
    page.examined += expected.len() as u64;
    let looked = stream::iter(expected).map(async |file| (what_is_wrong(&file, blobs, read).await, file));
    let looked: Vec<_> = looked.buffered(AT_ONCE).collect().await;
    for (wrong, Expected { no, subject, name, table, .. }) in looked {
        let Some(wrong) = wrong? else { continue };
        let sql = format!("SELECT 1 FROM job j JOIN {table} t ON t.no=j.no WHERE j.no=$1 AND t.blob=$2");
        if db.query_opt(&sql, &[&no, &&*name]).await?.is_some() {
            page.found(Invariant::Files, subject, wrong);
        }
    }
    Ok(())
}

async fn what_is_wrong(file: &Expected, blobs: &Blobs, read: bool) -> Result<Option<String>> {
    let whole = file.size.unsigned_abs();
    let looked = match blobs.size(&file.name).await {
        Ok(found) if found == whole => match file.digest.filter(|_| read) {
            Some(digest) => match digest_of(file, blobs).await {
                Ok(found) if found == digest => return Ok(None),
                Ok(_) => return Ok(Some(format!("the file {} is not what was written", file.name))),
                Err(error) => Err(error),
            },
            None => return Ok(None),
        },
        looked => looked,
    };
    match looked {
        Ok(found) => Ok(Some(format!("the file {} has {found} bytes, not {}", file.name, file.size))),
        Err(error) if blobs.folder().is_none() && error.kind() != ErrorKind::NotFound => Err(out_of_reach(&error)),
        Err(error) => Ok(Some(format!("the file {} can't be had: {error}", file.name))),
    }
}

/// The digest of a payload, read in pieces.
async fn digest_of(file: &Expected, blobs: &Blobs) -> std::result::Result<Digest, Error> {
    let (mut hash, mut pieces) = (Hash::default(), blobs.read(&file.name, 0..file.size.unsigned_abs()).await?);
    while let Some(piece) = pieces.try_next().await? {
        hash.add(&piece);
    }
    Ok(hash.end())
}

fn out_of_reach(error: &Error) -> PgError {
    PgError::Unsuitable(format!("the large payloads can't be looked at: {error}"))
}

/// Whether the place of large payloads is this store's, and what lies in a folder that is not.
pub(super) struct Owner(pub BlobPlace);

#[async_trait]
impl Stage for Owner {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let ours = look.rows("SELECT bytes FROM meta WHERE name='id'", &[]).await?;
        let ours = ours.first().map(|row| row.try_get::<_, &[u8]>(0)).transpose()?;
        let is_ours = |id: &StoreId| ours == Some(&id.0[..]);
        let place = self.0.to_string();
        match look.blobs.owners(&self.0).await {
            Ok(owners) if owners.is_empty() && has_payloads(look).await? => {
                look.page.found(Invariant::Owner, place, ELSEWHERE.0);
                look.page.unjudged.push((Invariant::Files, ELSEWHERE.1.into()));
                look.throttle.files = false;
            }
            Ok(owners) if owners.is_empty() => look.page.found(Invariant::Owner, place, "it bears no mark"),
            Ok(owners) if owners.iter().any(is_ours) => {}
            Ok(_) => look.page.found(Invariant::Owner, place, "it bears the mark of another store"),
            Err(error) => look.page.found(Invariant::Owner, place, format!("its mark can't be read: {error}")),
        }
        // A folder that can't be read is reported by the next stage.
        let strangers = look.blobs.folder().map(|folder| folder.strangers(STRANGERS).unwrap_or_default());
        for stranger in strangers.unwrap_or_default() {
            let detail = "it is none of the server's, which leaves it alone";
            look.page.found(Invariant::Orphans, format!("file {stranger}"), detail);
        }
        Ok(false)
    }
}

async fn has_payloads(look: &Look<'_>) -> Result<bool> {
    Ok(!look.rows("SELECT FROM blob WHERE no > 0 LIMIT 1", &[]).await?.is_empty())
}

/// Files that lie there; `None` before the first look.
#[derive(Default)]
pub(super) struct Files(Option<Listing>);

#[async_trait]
impl Stage for Files {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let blobs = look.blobs;
        if !look.throttle.files {
            let why = "the storage of large payloads is asked by `raincheck doctor` only";
            look.page.unjudged.push((Invariant::Files, why.into()));
            return Ok(false);
        }
        match self.0.get_or_insert_with(|| blobs.list()).page().await {
            Ok(Some(mut files)) => {
                files.retain(|file| file.finished);
                orphans(files, look).await.map(|()| true)
            }
            Ok(None) => Ok(false),
            Err(error) if blobs.folder().is_none() => Err(out_of_reach(&error)),
            Err(error) => {
                let detail = format!("it can't be read: {error}");
                look.page.found(Invariant::Files, "the folder of large payloads", detail);
                Ok(false)
            }
        }
    }
}

async fn orphans(files: Vec<Lying>, look: &mut Look<'_>) -> Result<()> {
    // Most folders of an idle server are empty: no query for them.
    if files.is_empty() {
        return Ok(());
    }
    look.page.examined += files.len() as u64;
    let names: Vec<&str> = files.iter().map(|file| &*file.name).collect();
    let known = look.rows(KNOWN, &[&names]).await?;
    let known: Vec<&str> = known.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>()?;
    if files.iter().all(|file| known.contains(&&*file.name)) {
        return Ok(());
    }
    // By the clock that all nodes share.
    let now = look.rows(&format!("SELECT {NOW}"), &[]).await?;
    let now: i64 = now.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(now.max(0).unsigned_abs());
    for Lying { name, size, written, .. } in &files {
        let age = written.map(|at| now.duration_since(at).unwrap_or_default());
        let on_its_way = !look.throttle.alone && age.is_none_or(|age| age <= ON_ITS_WAY);
        if !known.contains(&&**name) && !on_its_way {
            look.page.found(Invariant::Orphans, format!("file {name}"), format!("no job refers to it; {size} bytes"));
        }
    }
    Ok(())
}
