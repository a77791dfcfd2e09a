//! `raincheck reader …`.

use clap::{Args, Subcommand};
use raincheck_client::{Error, api::Reader, client::Expect};

use super::{
    bars::say,
    exit::{Exit, Failure},
    names::name,
    operate::{ListOptions, Options},
    output::{self, Cell, Format, facts},
    style::Ink,
    when,
};

/// `raincheck reader …`
#[derive(Subcommand, Debug)]
pub enum ReaderCommand {
    /// List all named readers of the feed, and how far behind they are
    List(ListOptions),
    /// Show one reader
    Show(Named),
    /// Make a reader, unless there is one of this name: it reads what happens from now on, or from a cursor on
    Make(Placed),
    /// Move a reader, or make it: to where the feed is now, or to a cursor of it
    Set(Placed),
    /// Delete a reader: the feed is not kept for it any more
    Delete(Named),
}

/// A reader and options.
#[derive(Args, Debug)]
pub struct Named {
    /// The reader.
    #[arg(value_parser = name)]
    reader: String,
    #[command(flatten)]
    options: Options,
}

/// A reader and where it is to be.
#[derive(Args, Debug)]
pub struct Placed {
    #[command(flatten)]
    named: Named,
    /// Everything up to this cursor is read; `0` is the beginning of the feed.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl ReaderCommand {
    /// Does it and shows what came of it.
    pub async fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::List(options) => {
                let readers = options.connect.client()?.readers().await?;
                options.output.show(&readers, &["READER", "EVENTS BEHIND", "FOR", "MOVED"], row)?;
            }
            Self::Show(named) => {
                named.show(&explained(named.options.connect.client()?.reader(&named.reader).await, &named)?)?
            }
            Self::Make(placed) => placed.put(Expect::Absent).await?,
            Self::Set(placed) => placed.put(Expect::Anything).await?,
            Self::Delete(named) => {
                explained(named.options.connect.client()?.delete_reader(&named.reader).await, &named)?
            }
        }
        Ok(Exit::Done)
    }
}

impl Placed {
    async fn put(&self, expect: Expect<'_>) -> Result<(), Failure> {
        let Self { named, cursor } = self;
        let name = &named.reader;
        let put = named.options.connect.client()?.put_reader(name, cursor.as_deref(), expect).await;
        let (reader, is_new) = put.map_err(|error| match error.status() {
            Some(412) => Failure::new(Exit::Refused, format!("there is a reader {name} already")).next(format!(
                "look at it with `raincheck reader show {name}`, or move it with `raincheck reader set`"
            )),
            _ => refused(&error, name),
        })?;
        say(&format!("{} {name}", if is_new { "made" } else { "moved" }));
        named.show(&reader)
    }
}

fn explained<T>(answer: Result<T, Error>, named: &Named) -> Result<T, Failure> {
    answer.map_err(|error| refused(&error, &named.reader))
}

/// Why a reader cannot be, or stay, where it is to be.
pub fn refused(error: &Error, name: &str) -> Failure {
    let failure = Failure::of(error);
    match error.slug() {
        Some("cursor-expired") => failure.next(format!(
            "see what is there with `raincheck list`, then go on with the oldest event: `raincheck reader set {name} --cursor 0`"
        )),
        Some("precondition-failed") => {
            Failure::new(Exit::Refused, format!("somebody else has moved or deleted the reader {name} meanwhile")).next(
                format!("one command at a time may read for it; look where it is with `raincheck reader show {name}`"),
            )
        }
        Some("not-found") => Failure::new(Exit::NotFound, format!("there is no reader {name}"))
            .next(format!("make it with `raincheck reader make {name}`")),
        _ => failure,
    }
}

impl Named {
    fn show(&self, reader: &Reader) -> Result<(), Failure> {
        let format = self.options.output.format;
        if format != Format::Table {
            return output::json(reader, format);
        }
        output::print(&facts(&[
            ("reader", reader.name.clone()),
            ("cursor", reader.cursor.clone()),
            ("events behind", reader.lag_events.to_string()),
            ("for", behind_for(reader)),
            ("moved", when::ago(&reader.updated_at)),
        ]))
    }
}

fn behind_for(reader: &Reader) -> String {
    format!("{} s{}", reader.lag_seconds, if reader.expired { ", some are gone" } else { "" })
}

fn row(reader: &Reader) -> Vec<Cell> {
    let late = (reader.lag_events > 0).then_some(Ink::Yellow);
    vec![
        (reader.name.clone(), None),
        (reader.lag_events.to_string(), late),
        (behind_for(reader), late),
        (when::ago(&reader.updated_at), Some(Ink::Dim)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_missed_something_is_not_one_that_is_missing() {
        let explained = |status: u16, slug: &str| {
            let problem = serde_json::from_value(serde_json::json!({ "type": format!("/problems/{slug}") })).unwrap();
            let failure = refused(&Error::Problem { status, problem, retry_after: None }, "billing");
            (failure.exit, failure.next.unwrap())
        };
        assert_eq!(
            explained(404, "not-found"),
            (Exit::NotFound, "make it with `raincheck reader make billing`".to_owned())
        );
        let (exit, next) = explained(410, "cursor-expired");
        assert!(exit == Exit::Refused && next.contains("raincheck reader set billing --cursor 0"), "{next}");
        let (exit, next) = explained(412, "precondition-failed");
        assert!(exit == Exit::Refused && next.contains("raincheck reader show billing"), "{next}");
    }
}
