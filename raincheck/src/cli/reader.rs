//! `raincheck reader …`.

use clap::{Args, Subcommand};
use raincheck_client::api::Reader;

use super::{
    exit::{Exit, Failure},
    operate::Options,
    output::{self, Cell, Format, facts},
    style::Ink,
    when,
};

/// `raincheck reader …`
#[derive(Subcommand, Debug)]
pub enum ReaderCommand {
    /// List all named readers of the feed, and how far behind they are
    List(Options),
    /// Show one reader
    Show(Named),
    /// Make a reader, or move it: to where the feed is now, or to a cursor of it
    Set {
        #[command(flatten)]
        named: Named,
        /// Everything up to this cursor is read; `0` is the beginning of the feed.
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<String>,
    },
    /// Delete a reader: the feed is not kept for it any more
    Delete(Named),
}

/// A reader and options.
#[derive(Args, Debug)]
pub struct Named {
    /// The reader.
    reader: String,
    #[command(flatten)]
    options: Options,
}

impl ReaderCommand {
    /// Does it and shows what came of it.
    pub async fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::List(options) => {
                let readers = options.connect.client()?.readers().await?;
                output::many(&readers, options.output.format, &["READER", "EVENTS BEHIND", "FOR", "MOVED"], row)?;
            }
            Self::Show(named) => named.show(&named.options.connect.client()?.reader(&named.reader).await?)?,
            Self::Set { named, cursor } => {
                let client = named.options.connect.client()?;
                named.show(&client.put_reader(&named.reader, cursor.as_deref()).await?)?;
            }
            Self::Delete(named) => named.options.connect.client()?.delete_reader(&named.reader).await?,
        }
        Ok(Exit::Done)
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
            ("for", format!("{} s", reader.lag_seconds)),
            ("moved", when::ago(&reader.updated_at)),
        ]))
    }
}

fn row(reader: &Reader) -> Vec<Cell> {
    let late = (reader.lag_events > 0).then_some(Ink::Yellow);
    vec![
        (reader.name.clone(), None),
        (reader.lag_events.to_string(), late),
        (format!("{} s", reader.lag_seconds), late),
        (when::ago(&reader.updated_at), Some(Ink::Dim)),
    ]
}
