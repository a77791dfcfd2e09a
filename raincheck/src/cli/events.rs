//! `raincheck events`.

use clap::Args;
use raincheck_client::{Client, Event, client::EventFilter};

use super::{
    Connect,
    exit::{Exit, Failure},
    output::{self, Format, Output},
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
    /// After the place of this named reader, which is moved behind what was printed
    #[arg(long, value_name = "NAME", conflicts_with_all = ["job", "after"])]
    reader: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connect: Connect,
}

/// Prints events, oldest first.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.connect.client()?;
    let mut feed = match &options.job {
        Some(id) => client.job_events(id, 0, options.follow),
        None => {
            let filter = EventFilter { queue: options.queue, kind: options.kind, state: options.state, job: None };
            let place = match &options.reader {
                Some(name) => Some(client.reader(name).await?.cursor),
                None => options.after,
            };
            let after = place.or_else(|| (!options.follow).then(|| "0".to_owned()));
            client.events(&filter, after, options.follow)
        }
    };
    let style = Style::stdout();
    let mut all = Vec::new();
    let mut seen = None;
    while let Some(event) = feed.next().await? {
        seen.clone_from(&event.cursor);
        match options.output.format {
            Format::Table => output::print(&line(style, &event))?,
            Format::Json if !options.follow => {
                all.push(event);
                continue;
            }
            // A document without an end can't be one.
            Format::Json | Format::Jsonl => output::json(&event, Format::Jsonl)?,
        }
        // A page at a time, and behind what is printed: who dies before it sees that again.
        if feed.is_empty() {
            move_reader(&client, options.reader.as_deref(), seen.take()).await?;
        }
    }
    if options.output.format == Format::Json && !options.follow {
        output::json(&all, Format::Json)?;
    }
    move_reader(&client, options.reader.as_deref(), seen).await?;
    Ok(Exit::Done)
}

async fn move_reader(client: &Client, reader: Option<&str>, cursor: Option<String>) -> Result<(), Failure> {
    if let (Some(name), Some(cursor)) = (reader, cursor) {
        client.put_reader(name, Some(&cursor)).await?;
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
