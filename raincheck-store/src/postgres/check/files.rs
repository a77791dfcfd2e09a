//! Large payloads: the files that rows refer to, and the files that lie there.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use std::{fs, io};

use async_trait::async_trait;
use tokio_postgres::Client;

use super::{Look, Result, Stage};
use crate::Blobs;
use crate::checkup::{CheckPage, Invariant};

/// A file that nothing refers to yet may be on its way into a job for so long, while a server runs.
const ON_ITS_WAY: Duration = Duration::from_secs(3_600);
const KNOWN: &str = "SELECT name FROM blob WHERE name = ANY($1)";

/// A file that a row refers to.
pub(super) struct Expected {
    pub no: i64,
    pub subject: Box<str>,
    pub name: Box<str>,
    pub size: i64,
    pub table: &'static str,
}

/// Looks for files after the transaction that read their rows: a job purged since then rightly has none.
pub(super) async fn look_for(expected: Vec<Expected>, db: &Client, blobs: &Blobs, page: &mut CheckPage) -> Result<()> {
    page.looked += expected.len() as u64;
    let blobs = blobs.clone();
    let wrong = aside(move || {
        let each = expected.into_iter().filter_map(|file| what_is_wrong(&file, &blobs).map(|wrong| (file, wrong)));
        Ok(each.collect::<Vec<_>>())
    });
    for (Expected { no, subject, name, table, .. }, wrong) in wrong.await.unwrap_or_default() {
        let sql = format!("SELECT 1 FROM job j JOIN {table} t ON t.no=j.no WHERE j.no=$1 AND t.blob=$2");
        if db.query_opt(&sql, &[&no, &&*name]).await?.is_some() {
            page.found(Invariant::Files, subject, wrong);
        }
    }
    Ok(())
}

fn what_is_wrong(file: &Expected, blobs: &Blobs) -> Option<String> {
    match fs::metadata(blobs.path(&file.name)) {
        Ok(found) if found.len() == file.size.unsigned_abs() => None,
        Ok(found) => Some(format!("the file {} has {} bytes, not {}", file.name, found.len(), file.size)),
        Err(error) => Some(format!("the file {} can't be had: {error}", file.name)),
    }
}

/// The folders of files that were not looked through yet; `None` before the first look.
#[derive(Default)]
pub(super) struct Files(Option<Vec<PathBuf>>);

#[async_trait]
impl Stage for Files {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let blobs = look.blobs.clone();
        let looked = match &mut self.0 {
            None => aside(move || blobs.shards()).await.map(|shards| self.0 = Some(shards)),
            Some(shards) => match shards.pop() {
                Some(shard) => match aside(move || list(&shard)).await {
                    Ok(files) => return orphans(files, look).await.map(|()| true),
                    Err(error) => Err(error),
                },
                None => return Ok(false),
            },
        };
        if let Err(error) = looked {
            look.page.found(Invariant::Files, "the folder of large payloads", format!("it can't be read: {error}"));
            return Ok(false);
        }
        Ok(true)
    }
}

/// A file that lies there: its name, size, and age where that is known.
struct Lying {
    name: String,
    size: u64,
    age: Option<Duration>,
}

fn list(shard: &Path) -> io::Result<Vec<Lying>> {
    let mut all = Vec::new();
    for file in fs::read_dir(shard)? {
        let file = file?;
        // One that was removed meanwhile is no orphan.
        let Ok(about) = file.metadata() else { continue };
        let age = about.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        all.push(Lying { name: file.file_name().to_string_lossy().into_owned(), size: about.len(), age });
    }
    Ok(all)
}

async fn orphans(files: Vec<Lying>, look: &mut Look<'_>) -> Result<()> {
    look.page.looked += files.len() as u64;
    let names: Vec<&str> = files.iter().map(|file| &*file.name).collect();
    let known = look.rows(KNOWN, &[&names]).await?;
    let known: Vec<&str> = known.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>()?;
    for Lying { name, size, age } in &files {
        let on_its_way = !look.pace.alone && age.is_none_or(|age| age <= ON_ITS_WAY);
        if !known.contains(&name.as_str()) && !on_its_way {
            look.page.found(Invariant::Orphans, format!("file {name}"), format!("no job refers to it; {size} bytes"));
        }
    }
    Ok(())
}

/// Work with files, off the threads that everybody waits for.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
