//! `raincheck result`, `stream` and `log`: the bytes of a job.

use std::{
    io::{ErrorKind, IsTerminal as _},
    path::PathBuf,
};

use clap::Args;
use raincheck_client::{Client, Error, Job};
use tokio::io::AsyncWriteExt as _;

use super::{
    Connect,
    exit::{Exit, Failure},
    ids::Id,
    output, stderr,
    style::{Style, tame},
    when,
};

/// Options of `result`.
#[derive(Args, Debug)]
pub struct ResultOptions {
    #[command(flatten)]
    id: Id,
    /// Write it to this file, or to standard output as `-`; in a directory, under the name that the worker gave it.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    connect: Connect,
}

impl ResultOptions {
    /// Copies the result to the file or standard output.
    pub async fn run(self) -> Result<Exit, Failure> {
        let client = self.connect.client()?;
        let id = self.id.read()?;
        fetch(&client, &id, self.file).await.map_err(|failure| failure.about(&id))
    }
}

/// Copies the result to the file or standard output.
async fn fetch(client: &Client, id: &str, file: Option<PathBuf>) -> Result<Exit, Failure> {
    let is_stdout = file.as_ref().is_some_and(|path| path.as_os_str() == "-");
    let Some(path) = file.filter(|_| !is_stdout) else {
        let job = client.get(id, None).await?;
        if job.done && Exit::of(&job) != Exit::Done {
            explain(&job);
            return Ok(Exit::Failed);
        }
        if std::io::stdout().is_terminal() && !is_stdout {
            return if job.done {
                show(client, &job).await.map(|()| Exit::Done)
            } else {
                Err(Error::NotDone(id.to_owned()).into())
            };
        }
        copy(client, id).await?;
        return Ok(Exit::Done);
    };
    save(client, id, path).await
}

/// Copies the result to a file.
async fn save(client: &Client, id: &str, path: PathBuf) -> Result<Exit, Failure> {
    let path = if path.is_dir() { path.join(file_name(client, id).await?) } else { path };
    // A pipe or a device is written to; nothing may take its place.
    let special = path.metadata().is_ok_and(|there| !there.is_file());
    // Beside its place first: a file that is cut off never looks like a result.
    let part = match special {
        true => path.clone(),
        false => path.with_file_name(format!(".{}.part", path.file_name().unwrap_or_default().to_string_lossy())),
    };
    let unwritable = |error: std::io::Error| Failure::usage(format!("cannot write {}: {error}", path.display()));
    let mut file = tokio::fs::File::create(&part).await.map_err(unwritable)?;
    let fetched = client.result(id, &mut file).await;
    let info = match fetched {
        Ok(info) => info.unwrap_or_default(),
        Err(error) => {
            if !special {
                // What is left of it bears a name that says so.
                let _ = std::fs::remove_file(&part);
            }
            // A pipe by its name is still one.
            return Err(closed(Some(&error)).map_or_else(|| lost(&error, id, 0), output::unwritable));
        }
    };
    file.flush().await.map_err(unwritable)?;
    if !special {
        std::fs::rename(&part, &path).map_err(unwritable)?;
    }
    if Style::stderr().is_terminal() {
        let kind = info.content_type.unwrap_or_default();
        stderr::say(&format!("{}: {}, {}", tame(&path.display().to_string()), tame(&kind), when::bytes(info.size)));
    }
    Ok(Exit::Done)
}

async fn file_name(client: &Client, id: &str) -> Result<String, Failure> {
    let job = client.get(id, None).await?;
    let name = job.result.and_then(|result| result.filename);
    // It came from afar: never with a directory in it.
    let name = name
        .as_deref()
        .and_then(|name| name.rsplit(['/', '\\']).next())
        .filter(|name| !matches!(*name, "" | "." | ".."));
    Ok(name.unwrap_or(id).to_owned())
}

/// Copies the result to standard output, byte for byte.
async fn copy(client: &Client, id: &str) -> Result<(), Failure> {
    let mut written = 0;
    let mut stdout = tokio_util::io::InspectWriter::new(tokio::io::stdout(), |bytes: &[u8]| written += bytes.len());
    let copied = client.result(id, &mut stdout).await;
    if let Some(closed) = closed(copied.as_ref().err()) {
        return Err(output::unwritable(closed));
    }
    stdout.flush().await.map_err(|error| output::unwritable(&error))?;
    copied.map_err(|error| lost(&error, id, written))?;
    Ok(())
}

/// Whether it says that nobody reads any more what is written.
fn closed(error: Option<&Error>) -> Option<&std::io::Error> {
    match error {
        Some(Error::Io { source, .. }) if source.kind() == ErrorKind::BrokenPipe => Some(source),
        _ => None,
    }
}

/// Why there is no whole result, after so many bytes of it.
fn lost(error: &Error, id: &str, written: usize) -> Failure {
    let mut failure = Failure::of(error);
    if written > 0 {
        failure.message += &format!("; the {written} bytes written so far are not the result");
    }
    if error.is_payload_lost() { failure.next(format!("run the job again: raincheck rerun {id}")) } else { failure }
}

/// Prints the result of a succeeded job, unless it would only garble a terminal.
///
/// # Errors
/// What the server refuses.
pub async fn show(client: &Client, job: &Job) -> Result<(), Failure> {
    let Some(result) = &job.result else { return Ok(()) };
    if let Some(value) = &result.value {
        return output::print(&format!("{}\n", output::json_text(value.get())));
    }
    let kind = result.content_type.clone().unwrap_or_default();
    let text = kind.starts_with("text/") || kind.contains("json") || kind.contains("xml");
    if std::io::stdout().is_terminal() && !text {
        let size = result.size.map(when::bytes).unwrap_or_default();
        stderr::say(&format!("{}, {size}; fetch it with `raincheck result {} -o FILE`", tame(&kind), job.id));
        return Ok(());
    }
    if !std::io::stdout().is_terminal() {
        return copy(client, &job.id).await;
    }
    let mut bytes = Vec::new();
    client.result(&job.id, &mut bytes).await?;
    let text = tame(&String::from_utf8_lossy(&bytes));
    output::print(&format!("{}\n", text.trim_end_matches('\n')))
}

/// Says on standard error why a job did not succeed.
pub fn explain(job: &Job) {
    let why = job.error.as_ref().map(ToString::to_string).unwrap_or_default();
    stderr::say(&format!("{} {}", Style::stderr().state(job.state), tame(&why)));
    advise(job);
}

/// Says to people what to do about a job that did not succeed.
pub fn advise(job: &Job) {
    if Style::stderr().is_terminal() {
        stderr::say(&format!("next: raincheck log {0}, or raincheck rerun {0}", job.id));
    }
}

/// Options of `stream` and `log`.
#[derive(Args, Debug)]
pub struct Bytes {
    #[command(flatten)]
    id: Id,
    /// Go on until the job is done.
    #[arg(short, long)]
    follow: bool,
    /// Begin at this byte.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    offset: u64,
    #[command(flatten)]
    connect: Connect,
}

impl Bytes {
    /// Prints the stream.
    pub async fn stream(self) -> Result<Exit, Failure> {
        let (client, id) = (self.connect.client()?, self.id.read()?);
        pump(client.stream(&id, self.offset, self.follow)).await.map_err(|failure| failure.about(&id))
    }

    /// Prints the log.
    pub async fn log(self) -> Result<Exit, Failure> {
        let (client, id) = (self.connect.client()?, self.id.read()?);
        pump(client.log(&id, self.offset, self.follow)).await.map_err(|failure| failure.about(&id))
    }
}

async fn pump(mut feed: raincheck_client::client::ByteFeed) -> Result<Exit, Failure> {
    let terminal = std::io::stdout().is_terminal();
    let mut attempt = 0;
    while let Some(chunk) = feed.next().await? {
        if attempt != 0 && chunk.attempt > attempt {
            stderr::say(&format!("--- attempt {} starts over ---", chunk.attempt));
        }
        attempt = chunk.attempt;
        if terminal {
            output::print(&tame(&String::from_utf8_lossy(&chunk.bytes)))?;
        } else {
            output::print_bytes(&chunk.bytes)?;
        }
    }
    Ok(Exit::Done)
}
