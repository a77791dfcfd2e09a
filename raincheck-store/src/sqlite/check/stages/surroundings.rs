//! What the data stands on: its format, the library, the disk, who may write it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use raincheck_core::Timestamp;
use rusqlite::Result;

use crate::checkup::{CheckPage, Invariant};
use crate::clock;
use crate::sqlite::check::stage::{Look, Stage};
use crate::sqlite::connection;
use crate::sqlite::disk::files::{beside, names};
use crate::sqlite::disk::high_water::{self, Said};
use crate::sqlite::tables::meta;

/// Where in the database's header it says how it is written, and what stands there for a write-ahead log.
const WRITE_VERSION: usize = 18;
const WITH_LOG: [u8; 2] = [2, 2];
/// A log longer than this is kept from being folded back by something.
const LOG_BYTES: u64 = 512 << 20;

/// Everything outside the rows.
pub(crate) struct Surroundings {
    pub path: PathBuf,
    pub reserve_bytes: u64,
    pub high_water: io::Result<Option<Said>>,
    /// What the machine's clock says.
    pub now: Timestamp,
}

impl Stage for Surroundings {
    fn advance(&mut self, look: &mut Look<'_>) -> Result<bool> {
        let page = &mut *look.page;
        if connection::is_too_old() {
            page.found(Invariant::Library, "SQLite", format!("{} is too old", rusqlite::version()));
        }
        let (found, known) = connection::formats(look.db);
        if found != known {
            page.found(Invariant::Format, "raincheck.db", format!("it is {found}, this program knows {known}"));
        }
        match header(&self.path) {
            Ok(header) if header.get(WRITE_VERSION..WRITE_VERSION + 2) == Some(&WITH_LOG) => {}
            Ok(_) => page.found(Invariant::Journal, "raincheck.db", "it is not written through a log"),
            Err(error) => page.found(Invariant::Journal, "raincheck.db", format!("it can't be read: {error}")),
        }
        if let Some(names) = names(&self.path) {
            page.found(Invariant::Journal, "raincheck.db", format!("it has {names} names, of which one finds its log"));
        }
        if let Ok(log) = fs::metadata(beside(&self.path, "-wal"))
            && log.len() > LOG_BYTES
        {
            page.found(Invariant::Log, "raincheck.db-wal", format!("it has {} MiB", log.len() >> 20));
        }
        self.acknowledged(look)?;
        let page = &mut *look.page;
        match look.blobs.free_bytes() {
            Ok(free) if free >= self.reserve_bytes => {}
            Ok(free) => page.found(Invariant::Space, "the disk", format!("{} MiB are free", free >> 20)),
            // Where it is missing, who looks for its owner says so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => page.found(Invariant::Space, "the disk", format!("it can't be looked at: {error}")),
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        permissions(&self.path, 0o077, page);
        // Folders show names alone, as long as nobody else writes in them.
        permissions(folder, 0o022, page);
        if look.blobs.root().exists() {
            permissions(look.blobs.root(), 0o022, page);
        }
        clock::look(self.now, meta::seen(look.db)?, look.page);
        Ok(false)
    }

    fn judges(&self) -> &'static [Invariant] {
        &[Invariant::Acknowledged, Invariant::Space, Invariant::Permissions, Invariant::Clock]
    }
}

impl Surroundings {
    /// That the feed has come as far as its high-water mark says.
    fn acknowledged(&self, look: &mut Look<'_>) -> Result<()> {
        let name = || high_water::path(&self.path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let said = match &self.high_water {
            Ok(None) => return Ok(()),
            Ok(Some(said)) => said,
            Err(error) => {
                look.page.found(Invariant::Acknowledged, name(), format!("it can't be read: {error}"));
                return Ok(());
            }
        };
        let head = meta::head(look.db)?;
        if said.head > head {
            let detail = format!(
                "events {} to {} were acknowledged and are missing, and with them what they were about",
                head.saturating_add(1),
                said.head
            );
            look.page.found(Invariant::Acknowledged, "the change feed", detail);
        }
        if let Some((from, to)) = said.missing {
            let detail = format!("events {from} to {to} were found missing when a server started");
            look.page.found(Invariant::Acknowledged, "the change feed", detail);
        }
        Ok(())
    }
}

fn header(path: &Path) -> io::Result<Vec<u8>> {
    let mut header = Vec::new();
    File::open(path)?.take(100).read_to_end(&mut header)?;
    Ok(header)
}

fn permissions(path: &Path, others: u32, page: &mut CheckPage) {
    match fs::metadata(path) {
        Ok(about) if about.permissions().mode() & others == 0 => {}
        Ok(about) => {
            let mode = about.permissions().mode() & 0o777;
            page.found(
                Invariant::Permissions,
                path.display().to_string(),
                format!("others may {} it: mode {mode:o}", if mode & 0o022 == 0 { "read" } else { "write" }),
            );
        }
        Err(error) => page.found(Invariant::Files, path.display().to_string(), format!("it can't be had: {error}")),
    }
}
