//! What the data stands on: the server and its settings, the format, the folder of large payloads.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use async_trait::async_trait;
use raincheck_core::Timestamp;

use super::stage::{Look, Result, Stage};
use crate::blobs::BlobFolder;
use crate::checkup::{CheckPage, Invariant};
use crate::clock;
use crate::postgres::NOW;
use crate::postgres::migrate;
use crate::postgres::read_only;
use crate::postgres::tables::sql::LAST_JOB;

/// Everything outside the rows.
pub(super) struct Surroundings {
    /// The clock that decides, where it is not the database's.
    pub now: Option<Timestamp>,
}

/// With less than this free, large payloads may not come to lie on the disk, bytes.
const RESERVE: u64 = 64 << 20;

/// What each setting must be, and what its being otherwise means.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("fsync", "on", "a crash of the machine may damage the data"),
    ("full_page_writes", "on", "a crash of the machine may damage the data"),
    ("synchronous_commit", "off", "a crash may lose what was acknowledged"),
];

#[async_trait]
impl Stage for Surroundings {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let version: i32 = read_only::number(look.db, "server_version_num").await?;
        let page = &mut *look.page;
        if version < 140_004 {
            let detail = "versions before 14.4 can corrupt an index that is built while rows change";
            page.found(Invariant::Library, "PostgreSQL", detail);
        }
        let (found, known) = migrate::formats(look.db).await?;
        if found != known {
            page.found(Invariant::Format, "the tables", format!("they are {found}, this program knows {known}"));
        }
        for (name, value, means) in SETTINGS {
            let set = read_only::setting(look.db, name).await?;
            // Of the last one, every value but one will do.
            if (set == value) == (value == "off") {
                page.found(Invariant::Journal, name, format!("it is {set}: {means}; set it in postgresql.conf"));
            }
        }
        let last: i64 = look.db.query_one(LAST_JOB, &[]).await?.try_get(0)?;
        let now = match self.now {
            Some(now) => now,
            None => Timestamp(look.db.query_one(&format!("SELECT {NOW}"), &[]).await?.try_get(0)?),
        };
        clock::look(now, Timestamp(last >> 15), page);
        match look.blobs.folder() {
            Some(folder) => room(folder, page),
            None => {
                let why = "the storage of large payloads has no bound that can be seen, nor has the database's disk";
                page.unjudged.push((Invariant::Space, why.into()));
                page.unjudged
                    .push((Invariant::Permissions, "the storage of large payloads knows who may write".into()));
            }
        }
        for (invariant, why) in [
            (Invariant::Database, "PostgreSQL looks after its own files; data checksums and pg_amcheck judge them"),
            (Invariant::Acknowledged, "PostgreSQL looks after its own log"),
            (Invariant::Log, "PostgreSQL looks after its own log"),
        ] {
            page.unjudged.push((invariant, why.into()));
        }
        Ok(false)
    }
}

/// Indexes are not looked at apart from the rows: which of the two is read is the database's own choice.
pub(super) struct Indexes;

#[async_trait]
impl Stage for Indexes {
    async fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let why = "PostgreSQL keeps its indexes by itself; pg_amcheck --heapallindexed judges them";
        look.page.unjudged.push((Invariant::Ready, why.into()));
        Ok(false)
    }
}

/// The disk and the folder of large payloads.
fn room(folder: &BlobFolder, page: &mut CheckPage) {
    match folder.free_bytes() {
        Ok(free) if free >= RESERVE => {
            let why = "the folder of large payloads has room; the disk of the database can't be seen from here";
            page.unjudged.push((Invariant::Space, why.into()));
        }
        Ok(free) => {
            page.found(Invariant::Space, "the disk of large payloads", format!("{} MiB are free", free >> 20));
        }
        // Where it is missing, who looks for its owner says so.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            page.found(Invariant::Space, "the disk of large payloads", format!("it can't be looked at: {error}"));
        }
    }
    permissions(folder.root(), page);
}

fn permissions(path: &Path, page: &mut CheckPage) {
    match fs::metadata(path) {
        Ok(about) if about.permissions().mode() & 0o022 == 0 => {}
        Ok(about) => {
            let mode = about.permissions().mode() & 0o777;
            let detail = format!("others may write it: mode {mode:o}");
            page.found(Invariant::Permissions, path.display().to_string(), detail);
        }
        Err(error) => page.found(Invariant::Files, path.display().to_string(), format!("it can't be had: {error}")),
    }
}
