//! `raincheck submit`.

use std::{io::Read as _, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use raincheck_client::{
    Body, Client, Job, NewJob,
    api::{Method, RawJson, Retry, WireDuration},
};

use super::{
    Bars, Connect,
    exit::{Exit, Failure},
    follow, media,
    names::name,
    output::{self, Format, Output},
    read::within,
    result, stderr,
    style::{Ink, Style},
    when,
};

/// Options of `submit`.
#[derive(Args, Debug)]
pub struct Options {
    /// The kind of work.
    #[arg(value_parser = name)]
    kind: String,
    /// The input: JSON, `@FILE` with JSON in it, or `-` for standard input.
    #[arg(conflicts_with = "file")]
    input: Option<String>,
    /// The input is this file, of any type and size; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The input's media type; guessed from the file's name if not said.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Where it waits.
    #[arg(long, value_name = "NAME", value_parser = name)]
    queue: Option<String>,
    /// Idempotency key: the same key again is the same job.
    #[arg(long)]
    key: Option<String>,
    /// A line for people; the file's name if not said.
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// GET: repeatable, equal jobs may share one run. POST: changes state.
    #[arg(long, value_enum, ignore_case = true)]
    method: Option<MethodArg>,
    /// For GET: how old an answer may be.
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    max_age: Option<WireDuration>,
    /// -100 to 100, more goes first.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i64>,
    /// Not before so long from now.
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    delay: Option<WireDuration>,
    /// The longest that one run may take.
    #[arg(long, value_name = "DURATION", value_parser = when::duration)]
    timeout: Option<WireDuration>,
    /// Failures after which it fails for good.
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// Runs lost in a row after which it fails for good; 0 counts each as a failure.
    #[arg(long, value_name = "N")]
    max_losses: Option<u32>,
    /// A name and value to find it by; can be given again.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Follow it until it is done (for so long at most) and print its result.
    #[arg(long, value_name = "DURATION", value_parser = when::duration, num_args = 0..=1, require_equals = true)]
    wait: Option<Option<WireDuration>>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum MethodArg {
    #[value(name = "GET")]
    Get,
    #[value(name = "POST")]
    Post,
}

/// `NAME=VALUE`.
pub fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// What is sent.
enum Input {
    None,
    Json(RawJson),
    Raw(Body, String),
}

/// Submits the job and, if asked to, waits for it.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    let client = options.connect.client()?;
    let mut job = NewJob {
        kind: options.kind.clone(),
        queue: options.queue.clone(),
        key: options.key.clone(),
        label: options.label.clone(),
        method: options.method.map(|method| match method {
            MethodArg::Get => Method::Get,
            MethodArg::Post => Method::Post,
        }),
        max_age: options.max_age,
        priority: options.priority,
        delay: options.delay,
        timeout: options.timeout,
        retry: options.max_attempts.map(|attempts| Retry { max_attempts: Some(attempts), ..Retry::default() }),
        max_losses: options.max_losses,
        tags: options.tags.iter().cloned().collect(),
        ..NewJob::default()
    };
    let submitted = match options.read_input(&mut job)? {
        Input::None => client.submit(&job).await,
        Input::Json(json) => client.submit(&NewJob { input: Some(json), ..job }).await,
        Input::Raw(body, content_type) => client.submit_raw(&job, &body, &content_type).await,
    };
    let next = match options.key {
        Some(_) => "send it again with the same --key: it is taken once",
        None => "look for it with `raincheck list`; with --key KEY, sending it again is safe",
    };
    let submitted = submitted.map_err(|error| Failure::of_change(&error, "the job was taken", next))?;
    if submitted.replayed {
        stderr::say(&format!("it was submitted before under this key: {}", submitted.job.state));
    } else if submitted.coalesced {
        stderr::say("it is shared with an equal job");
    }
    match options.wait {
        Some(most) => wait(&client, &submitted.job, most.map(Duration::from), options.output.format).await,
        None => {
            show(&submitted, options.output.format)?;
            Ok(Exit::Done)
        }
    }
}

impl Options {
    fn read_input(&self, job: &mut NewJob) -> Result<Input, Failure> {
        if let Some(path) = &self.file {
            if path.as_os_str() == "-" {
                let content_type = self.content_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned());
                return Ok(Input::Raw(Body::reader(tokio::io::stdin()), content_type));
            }
            // Known at once where that costs nothing; what comes through a pipe comes once.
            let there = std::fs::metadata(path);
            let there =
                there.and_then(|there| if there.is_file() { std::fs::File::open(path).map(drop) } else { Ok(()) });
            there.map_err(|error| unreadable(&path.display().to_string(), &error))?;
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            job.label = job.label.take().or(name);
            let content_type = self.content_type.clone().unwrap_or_else(|| media::of(path).to_owned());
            return Ok(Input::Raw(Body::file(path), content_type));
        }
        let Some(input) = &self.input else { return Ok(Input::None) };
        let (text, source) = match input.strip_prefix('@') {
            Some(path) => (std::fs::read(path).map_err(|error| unreadable(path, &error))?, path),
            None if input == "-" => {
                let mut bytes = Vec::new();
                std::io::stdin().lock().read_to_end(&mut bytes)?;
                (bytes, "standard input")
            }
            None => (input.clone().into_bytes(), "the input"),
        };
        if let Some(content_type) = self.content_type.clone().filter(|given| !given.starts_with("application/json")) {
            return Ok(Input::Raw(Body::from(text), content_type));
        }
        // The text itself goes on its way; this only looks whether it is JSON.
        let json = String::from_utf8(text).map_err(|_| "not UTF-8".to_owned());
        let json =
            json.and_then(|text| serde_json::value::RawValue::from_string(text).map_err(|error| error.to_string()));
        json.map(Input::Json).map_err(|error| {
            Failure::usage(format!("{source} is not JSON: {error}"))
                .next("quote a text as '\"text\"', or send any other content with --file FILE")
        })
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot read {path}: {error}"))
}

fn show(submitted: &raincheck_client::client::Submitted, format: Format) -> Result<(), Failure> {
    let job = &submitted.job;
    if format != Format::Table {
        return output::json(job, format);
    }
    output::print(&format!("{}\n", job.id))?;
    let style = Style::stderr();
    if style.is_terminal() {
        let hint = style.paint(Ink::Dim, format!("follow it: raincheck watch {}", job.id));
        stderr::say(&format!("{}  {hint}", style.state(job.state)));
    }
    Ok(())
}

async fn wait(client: &Client, job: &Job, most: Option<Duration>, format: Format) -> Result<Exit, Failure> {
    let mut bars = Bars::new();
    let done =
        within(most, &job.id, follow(client, &job.id, &mut bars)).await.map_err(|failure| failure.about(&job.id))?;
    if format != Format::Table {
        output::json(&done, format)?;
    } else if Exit::of(&done) == Exit::Done {
        result::show(client, &done).await?;
    } else {
        // Why has been said where it was followed.
        result::advise(&done);
    }
    Ok(Exit::of(&done))
}
