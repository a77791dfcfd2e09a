//! `raincheck migrate`: everything from one machine's file into a database for many; or a database that was put back.

use std::path::PathBuf;

use clap::Args;
use raincheck_store::{BlobPlace, PostgresOptions, S3Options, SqliteOptions, migrate};
use serde::Serialize;

use super::{
    exit::{Exit, Failure},
    output::{self, Format, Output},
    style::{Ink, Style},
};
use crate::config::StoreUrl;

/// Options of `migrate`.
#[derive(Args, Debug)]
pub struct Options {
    /// The data to move, as `sqlite:PATH`; its server must have stopped
    #[arg(long, value_name = "URL", value_parser = StoreUrl::read, required_unless_present = "restored")]
    from: Option<StoreUrl>,
    /// Move nothing: the database was put back, so cursors and leases given out since the copy was made are void
    #[arg(long, conflicts_with_all = ["from", "blobs"])]
    restored: bool,
    /// The database to fill, as `postgres://USER@HOST/DATABASE`; it must hold no jobs, unless it was restored
    #[arg(long, value_name = "URL", value_parser = StoreUrl::read)]
    to: StoreUrl,
    /// Folder or s3://BUCKET/PREFIX of large inputs and results, from now on [default: where they are]
    #[arg(long, value_name = "PLACE")]
    blobs: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Moved {
    to: String,
    jobs: u64,
    events: u64,
    files: u64,
}

#[derive(Serialize)]
struct Restored {
    restored: String,
}

/// Has the database go on as one that was put back.
async fn restored(to: &StoreUrl, output: Output) -> Result<Exit, Failure> {
    if !to.is_postgres() {
        return Err(
            Failure::usage(format!("--to {to} is no PostgreSQL")).next("a file that was put back needs nothing")
        );
    }
    let options = PostgresOptions::at(to.reveal(), std::path::Path::new(""));
    options.begin_anew().await.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let restored = Restored { restored: to.to_string() };
    match output.format {
        Format::Table => output::print(&output::facts(&[("restored", restored.restored)]))?,
        format => output::json(&restored, format)?,
    }
    Ok(Exit::Done)
}

/// Moves it, and says what it was.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    let Options { from, restored: _, to, blobs, output } = options;
    let Some(from) = from else { return restored(&to, output).await };
    let Some(path) = from.sqlite_path() else {
        return Err(Failure::usage(format!("--from {from} is no file")).next("write --from sqlite:PATH"));
    };
    if !to.is_postgres() {
        return Err(
            Failure::usage(format!("--to {to} is no PostgreSQL")).next("write --to postgres://USER@HOST/DATABASE")
        );
    }
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let from = SqliteOptions { path, ..SqliteOptions::in_folder(&folder) };
    let blobs = match blobs {
        // How a bucket is reached is said by the usual variables.
        Some(place) => BlobPlace::read(&place, S3Options::default()).map_err(Failure::usage)?,
        None => BlobPlace::from(&from.blobs),
    };
    let style = Style::stderr();
    let tell = move |table: &str, rows: u64| {
        if style.is_terminal() {
            eprintln!("{} {rows} rows", style.paint(Ink::Bold, table));
        }
    };
    let moved = migrate(from, PostgresOptions::at(to.reveal(), blobs), tell).await.map_err(|error| {
        Failure::new(Exit::Failed, error.to_string())
            .next("nothing was moved; stop the server of the old data, and name an empty database")
    })?;
    let moved = Moved { to: to.to_string(), jobs: moved.jobs, events: moved.events, files: moved.files };
    match output.format {
        Format::Table => output::print(&output::facts(&[
            ("moved to", moved.to),
            ("jobs", moved.jobs.to_string()),
            ("events", moved.events.to_string()),
            ("files copied", moved.files.to_string()),
        ]))?,
        format => output::json(&moved, format)?,
    }
    Ok(Exit::Done)
}
