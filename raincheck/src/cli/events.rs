//! `raincheck events`.

use clap::Args;
use raincheck_client::{Client, Event, api::Reader, client::EventFilter};

use super::{
    Connect,
    exit::{Exit, Failure},
    output::{self, Format, Output},
    reader::refused,
    style::{Ink, Style, one_line},
};

/// Options of `events`.
#[derive(Args, Debug)]
pub struct Options {
    /// Go on as new ones happen.
    #[arg(short, long)]
    follow: bool,
    /// Of this queue.
    #[arg(long)]
    queue: Option<String>,
    /// Of this kind.
    #[arg(long)]
    kind: Option<String>,
    /// That lead into this state, or into one of several with commas between them.
    #[arg(long)]
    state: Option<String>,
    /// Of this job, from its first.
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// After this cursor, as an event in JSON carries it; without it from the oldest, or with --follow from now.
    #[arg(long, value_name = "CURSOR", conflicts_with = "job")]
    after: Option<String>,
    /// After the place of this named reader, which is moved behind what was printed, a page at a time; in a pipe, when it was
    /// taken out of that.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["job", "after"])]
    reader: Option<String>,
    /// With what `succeeded` came to.
    #[arg(long, value_name = "WHAT", value_parser = ["result"], conflicts_with = "job")]
    include: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connect: Connect,
}

/// Prints events, oldest first.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.connect.client()?;
    let mut reader = match &options.reader {
        Some(name) => Some(client.reader(name).await?),
        None => None,
    };
    let mut feed = match &options.job {
        Some(id) => client.job_events(id, 0, options.follow),
        None => {
            let (queue, kind, state) = (options.queue, options.kind, options.state);
            let filter = EventFilter { queue, kind, state, job: None, with_results: options.include.is_some() };
            match &reader {
                Some(reader) => client.reader_events(&filter, &reader.name, options.follow),
                None => {
                    let after = options.after.or_else(|| (!options.follow).then(|| "0".to_owned()));
                    client.events(&filter, after, options.follow)
                }
            }
        }
    };
    let style = Style::stdout();
    // A document without an end can't be one.
    let is_document = options.output.format == Format::Json && !options.follow;
    let mut all = Vec::new();
    loop {
        let page = feed.page().await.map_err(|error| match &reader {
            Some(reader) => refused(&error, &reader.name),
            None => error.into(),
        })?;
        let is_over = page.is_none();
        for event in page.into_iter().flatten() {
            match options.output.format {
                _ if is_document => all.push(event),
                Format::Table => output::print(&line(style, &event))?,
                Format::Json | Format::Jsonl => output::json(&event, Format::Jsonl)?,
            }
        }
        if is_document && is_over {
            output::json(&all, Format::Json)?;
        }
        if is_over || !is_document {
            move_on(&client, &mut reader, feed.position(), options.follow).await?;
        }
        if is_over {
            return Ok(Exit::Done);
        }
    }
}

/// Moves the reader behind what was printed: who dies before sees that again.
async fn move_on(client: &Client, reader: &mut Option<Reader>, to: Option<&str>, follow: bool) -> Result<(), Failure> {
    let (Some(reader), Some(to)) = (reader, to) else { return Ok(()) };
    if reader.cursor != to {
        output::taken().await?;
        *reader = client.move_reader(reader, to, follow).await.map_err(|error| refused(&error, &reader.name))?;
    }
    Ok(())
}

fn line(style: Style, event: &Event) -> String {
    let data =
        event.data.as_ref().map(|data| data.get()).filter(|data| !matches!(*data, "{}" | "null")).unwrap_or_default();
    if !style.is_terminal() {
        let columns = [&event.at, &event.job, &event.seq.to_string(), &event.kind, &event.event, event.state.as_str()];
        return format!("{}\t{}\n", columns.join("\t"), one_line(data, usize::MAX));
    }
    format!(
        "{}  {}  {:24}  {:16}  {}\n",
        style.paint(Ink::Dim, event.at.get(11..23).unwrap_or(&event.at)),
        event.job,
        event.kind,
        style.paint(super::style::state_ink(event.state), format!("{:16}", event.event)),
        style.paint(Ink::Dim, one_line(data, 60)),
    )
}
