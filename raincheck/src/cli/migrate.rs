//! `raincheck migrate`: everything from one machine's file into a database for many; or a database that was put back.

use std::path::PathBuf;

use clap::Args;
use raincheck_store::{Anew, BlobPlace, PostgresOptions, S3Options, StoreError, StoreOptions, migrate};
use serde::Serialize;

use super::{
    doctor::Which,
    exit::{Exit, Failure},
    output::{self, Format, Output},
    stderr,
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
    /// The settings file, which may say where the old data has large payloads; ./raincheck.toml, where there is one, if not
    /// said
    #[arg(long, env = "RAINCHECK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Moved {
    /// The data that was moved: still there, and not to be served any more.
    from: String,
    to: String,
    jobs: u64,
    events: u64,
    files: u64,
}

#[derive(Serialize)]
struct Restored {
    restored: String,
    history: u64,
    /// When the last event of the copy was: what was given out later is void.
    last_event: Option<String>,
    leases_kept: u64,
}

/// Has the database go on as one that was put back.
async fn restored(to: &StoreUrl, output: Output) -> Result<Exit, Failure> {
    if !to.is_postgres() {
        return Err(
            Failure::usage(format!("--to {to} is no PostgreSQL")).next("a file that was put back needs nothing")
        );
    }
    let options = PostgresOptions::at(to.reveal(), std::path::Path::new(""));
    let anew = options.begin_anew().await.map_err(|error| {
        let is_another = matches!(error, StoreError::Refused { .. });
        let failure = Failure::from(error);
        Failure { exit: if is_another { Exit::Usage } else { failure.exit }, ..failure }
    })?;
    let Anew { history, last_event, leases: leases_kept } = anew;
    let restored = Restored { restored: to.to_string(), history, last_event, leases_kept };
    match output.format {
        Format::Table => {
            let until = restored.last_event.map_or_else(|| "none".to_owned(), |at| format!("{at} UTC"));
            output::print(&output::facts(&[
                ("restored", restored.restored),
                ("history", restored.history.to_string()),
                ("last event", until),
                ("void", "cursors and leases that were given out later".to_owned()),
                ("leases kept", restored.leases_kept.to_string()),
            ]))?;
        }
        format => output::json(&restored, format)?,
    }
    Ok(Exit::Done)
}

/// Moves it, and says what it was.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    let Options { from, restored: _, to, blobs, config, output } = options;
    let Some(from) = from else { return restored(&to, output).await };
    if from.is_postgres() {
        return Err(Failure::usage(format!("--from {from} is PostgreSQL, and only a file is moved, to PostgreSQL"))
            .next("write --from sqlite:PATH; from one PostgreSQL to another, pg_dump and pg_restore do"));
    }
    let no_file = || Failure::usage(format!("--from {from} is no file")).next("write --from sqlite:PATH");
    if !to.is_postgres() {
        return Err(
            Failure::usage(format!("--to {to} is no PostgreSQL")).next("write --to postgres://USER@HOST/DATABASE")
        );
    }
    let (_, StoreOptions::Sqlite(from)) = Which::named(from.reveal(), config).store()? else { return Err(no_file()) };
    if !from.path.try_exists().unwrap_or(true) {
        return Err(Failure::usage(format!("{} is missing; nothing was moved", from.path.display()))
            .next("name the file of the old data, raincheck.db in its folder, with --from sqlite:PATH"));
    }
    let blobs = match blobs {
        // How a bucket is reached is said by the usual variables.
        Some(place) => BlobPlace::read(&place, S3Options::default()).map_err(Failure::usage)?,
        None => BlobPlace::from(&from.blobs),
    };
    let (old, style) = (from.path.display().to_string(), Style::stderr());
    let tell = move |table: &str, rows: u64| {
        if style.is_terminal() {
            stderr::say(&format!("{} {rows} rows", style.paint(Ink::Bold, table)));
        }
    };
    let moved = migrate(from, PostgresOptions::at(to.reveal(), blobs), tell).await.map_err(|error| {
        let failure = Failure::from(error);
        let next = "stop the server of the old data, and name an empty database".to_owned();
        let next = format!("nothing was moved; {}", failure.next.unwrap_or(next));
        Failure { next: Some(next), ..failure }
    })?;
    let moved = Moved { from: old, to: to.to_string(), jobs: moved.jobs, events: moved.events, files: moved.files };
    match output.format {
        Format::Table => output::print(&output::facts(&[
            ("moved from", moved.from),
            ("moved to", moved.to),
            ("jobs", moved.jobs.to_string()),
            ("events", moved.events.to_string()),
            ("files copied", moved.files.to_string()),
            (
                "the old data",
                "is as it was: start no server on it, or its jobs run twice; keep it until all is well".to_owned(),
            ),
        ]))?,
        format => output::json(&moved, format)?,
    }
    Ok(Exit::Done)
}
