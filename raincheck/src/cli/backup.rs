//! `raincheck backup`: a copy of the data that a server can be started on.

use std::path::PathBuf;

use clap::Args;
use raincheck_store::{SqliteStore, StoreError, StoreOptions};
use serde::Serialize;

use super::{
    doctor::{Which, unusable},
    exit::{Exit, Failure},
    output::{self, Format, Output},
};

/// Options of `backup`.
#[derive(Args, Debug)]
pub struct Options {
    /// The folder to make; it must not be there yet
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Made {
    folder: String,
    database_bytes: u64,
    files: u64,
    file_bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damaged: Vec<Damage>,
}

/// A payload that is not what was written.
#[derive(Serialize)]
struct Damage {
    job: String,
    detail: String,
}

/// Makes the copy, and says what is in it.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    let Options { to, which, output } = options;
    let (url, store) = which.store()?;
    let StoreOptions::Sqlite(sqlite) = store else {
        return Err(Failure::usage(format!("{url} is not copied by this program")).next(
            "copy the database with pg_dump or pg_basebackup, then the folder of large payloads; see docs/postgresql.md",
        ));
    };
    let (target, is_there) = (to.clone(), sqlite.path.is_file());
    let copied = tokio::task::spawn_blocking(move || SqliteStore::backup(&sqlite, &target)).await;
    let copied =
        copied.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?.map_err(|error| match error {
            StoreError::NoSpace => Failure::new(Exit::Failed, format!("no space left for {}", to.display())),
            error => {
                let next =
                    "name a folder that is not there yet, and the data with --data FOLDER or --store sqlite:PATH";
                unusable(error, is_there, next)
            }
        })?;
    let made = Made {
        folder: to.display().to_string(),
        database_bytes: copied.database,
        files: copied.files,
        file_bytes: copied.bytes,
        damaged: copied
            .damaged
            .into_iter()
            .map(|one| Damage { job: one.job.into(), detail: one.detail.into() })
            .collect(),
    };
    match output.format {
        Format::Table => output::print(&output::facts(&[
            ("folder", made.folder.clone()),
            ("database bytes", made.database_bytes.to_string()),
            ("files", made.files.to_string()),
            ("file bytes", made.file_bytes.to_string()),
        ]))?,
        format => output::json(&made, format)?,
    }
    if made.damaged.is_empty() {
        return Ok(Exit::Done);
    }
    let lines: Vec<String> = made.damaged.iter().map(|one| format!("job {}: {}", one.job, one.detail)).collect();
    let message = format!("the backup is made, with payloads that are damaged:\n       {}", lines.join("\n       "));
    Err(Failure::new(Exit::Failed, message).next(
        "the rest of it is whole; take these from an earlier backup, and look after the disk: `raincheck doctor`",
    ))
}
