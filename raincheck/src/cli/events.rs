//! `raincheck events`.

use std::ffi::OsString;

use clap::Args;
use raincheck_client::{Client, Event, api::Reader, client::EventFilter};

use super::{
    Connect,
    consumer::Consumer,
    exit::{Exit, Failure},
    names::{name, names, states},
    output::{self, Format, Output},
    reader::refused,
    style::{Ink, Style, one_line},
};

/// Options of `events`.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct Options {
    /// Go on as new ones happen.
    #[arg(short, long)]
    follow: bool,
    /// Of this queue, or of those that a pattern matches, such as shop.*; several with commas between them.
    #[arg(long, value_parser = names)]
    queue: Option<String>,
    /// Of this kind, or of those that a pattern matches; several with commas between them.
    #[arg(long, value_parser = names)]
    kind: Option<String>,
    /// That lead into this state, or into one of several with commas between them.
    #[arg(long, value_parser = states)]
    state: Option<String>,
    /// Of this job, from its first.
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// After this cursor, as an event in JSON carries it; without it from the oldest, or with --follow from now.
    #[arg(long, value_name = "CURSOR", conflicts_with = "job")]
    after: Option<String>,
    /// After the place of this named reader, which is moved behind what was printed, a page at a time; in a pipe, when it was
    /// taken out of that. With a program, when that has ended well.
    #[arg(long, value_name = "NAME", value_parser = name, conflicts_with_all = ["job", "after"])]
    reader: Option<String>,
    /// With what `succeeded` came to.
    #[arg(long, value_name = "WHAT", value_parser = ["result"], conflicts_with = "job")]
    include: Option<String>,
    /// Hands events to this program instead of printing them; never through a shell.
    #[arg(last = true, value_name = "PROGRAM", requires = "reader", conflicts_with = "format")]
    program: Vec<OsString>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connect: Connect,
}

const AFTER: &str = "\
In a pipe a line is an event: when, job, number, kind, what happened, the state it led to, data and queue, with tabs between.

The program is started for each page of events, up to 1,000 of them (100 with --include result), and finds them on standard
input, a line of JSON each. When it ends with 0, the reader is moved behind them; else this command ends with 1, and the
next one hands it the same events again.

  raincheck events --reader billing --state succeeded --include result --follow -- ./book.sh";

/// Prints events, oldest first, or hands them to a program.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.connect.client()?;
    let mut consumer = Consumer::of(options.program)?;
    let mut reader = match &options.reader {
        Some(name) => Some(client.reader(name).await.map_err(|error| refused(&error, name))?),
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
        let page = match &mut consumer {
            Some(consumer) => match consumer.unless_stopped(feed.page()).await {
                Some(page) => page,
                None => return Ok(Exit::Done),
            },
            None => feed.page().await,
        };
        let page = page.map_err(|error| match &reader {
            Some(reader) => refused(&error, &reader.name),
            None => error.into(),
        })?;
        let is_over = page.is_none();
        let events = page.unwrap_or_default();
        if let (Some(consumer), Some(reader)) = (&mut consumer, &mut reader) {
            hand(&client, consumer, reader, &events, feed.position(), options.follow).await?;
            if is_over || consumer.is_stopping() {
                return Ok(Exit::Done);
            }
            continue;
        }
        for event in events {
            match options.output.format {
                _ if is_document => all.push(event),
                Format::Table => output::print(&line(style, &event))?,
                Format::Json | Format::Jsonl => output::json(&event, Format::Jsonl)?,
            }
        }
        if is_document && is_over {
            output::json(&all, Format::Json)?;
        }
        if let (Some(reader), Some(to), true) = (&mut reader, feed.position(), is_over || !is_document)
            && reader.cursor != to
        {
            output::taken().await?;
            move_on(&client, reader, to, options.follow).await?;
        }
        if is_over {
            return Ok(Exit::Done);
        }
    }
}

/// Hands the program what was read, and moves the reader behind it when it was dealt with.
async fn hand(
    client: &Client,
    consumer: &mut Consumer,
    reader: &mut Reader,
    events: &[Event],
    to: Option<&str>,
    follow: bool,
) -> Result<(), Failure> {
    let name = reader.name.clone();
    if !events.is_empty() {
        consumer.take(events).await.map_err(|failure| {
            failure.next(format!("{name} was not moved: the same events are handed out again when it is read again"))
        })?;
    }
    let Some(to) = to.filter(|to| reader.cursor != *to) else { return Ok(()) };
    let patience = follow && !consumer.is_stopping();
    consumer.unless_stopped(move_on(client, reader, to, patience)).await.unwrap_or_else(|| {
        Err(Failure::new(Exit::Refused, format!("told to stop before {name} was moved"))
            .next("events that were dealt with are handed out again"))
    })
}

/// Moves the reader behind what was printed or dealt with: who dies before sees that again.
async fn move_on(client: &Client, reader: &mut Reader, to: &str, patience: bool) -> Result<(), Failure> {
    *reader = client.move_reader(reader, to, patience).await.map_err(|error| refused(&error, &reader.name))?;
    Ok(())
}

fn line(style: Style, event: &Event) -> String {
    let data =
        event.data.as_ref().map(|data| data.get()).filter(|data| !matches!(*data, "{}" | "null")).unwrap_or_default();
    if !style.is_terminal() {
        let seq = event.seq.to_string();
        let columns =
            [event.at.as_str(), &event.job, &seq, &event.kind, &event.event, event.state.as_str(), data, &event.queue];
        return columns.map(|text| one_line(text, usize::MAX)).join("\t") + "\n";
    }
    format!(
        "{}  {}  {:24}  {:16}  {:16}  {}\n",
        style.paint(Ink::Dim, one_line(event.at.get(11..23).unwrap_or(&event.at), 24)),
        one_line(&event.job, 40),
        one_line(&event.kind, 24),
        one_line(&event.queue, 16),
        style.paint(super::style::state_ink(event.state), format!("{:16}", one_line(&event.event, 16))),
        style.paint(Ink::Dim, one_line(data, 60)),
    )
}
