//! `raincheck demo`: a server, real kinds, one job of each on real input, followed live; all in one command.

mod inputs;
mod kinds;
mod report;

use std::{cell::RefCell, net::TcpListener, path::Path};

use clap::Args;
use raincheck_client::{Client, Job};

use crate::{
    cli::{
        Bars, Shared,
        exit::{Exit, Failure},
        follow, logging, print,
        serve::Server,
        signals::Signals,
        stderr,
        style::{Ink, Style},
    },
    config::{Config, Settings, StoreUrl, sections::LogFormat},
};

/// Options of `demo`.
#[derive(Args, Debug)]
pub struct Options {
    /// End when the jobs are done: 0 only if all succeeded
    #[arg(long)]
    once: bool,
}

/// The folder of everything that the demo makes.
const FOLDER: &str = "raincheck-demo";
/// The first port tried.
const PORT: u16 = 8202;

/// Runs the demo.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    logging::start("warn", LogFormat::Pretty);
    let mut signals = Signals::listen()?;
    let folder = std::path::absolute(FOLDER)?;
    let work = inputs::prepare(&folder)?;
    let port = free_port(PORT)?;
    let server = Server::start(&Config::of(settings(&folder, port, &work))).await?;
    let style = Style::stdout();
    print(&format!(
        "{}: slow work in, a handle out at once, the result later\n{}",
        style.paint(Ink::Bold, format!("Raincheck {}", env!("CARGO_PKG_VERSION"))),
        if port == PORT { String::new() } else { format!("Port {PORT} is taken, so it is {port} this time.\n") },
    ))?;
    print(&format!("Server {}, data in ./{FOLDER}\n\n", style.paint(Ink::Bold, server.url())))?;
    let result = tokio::select! {
        result = show(&server, &work, &folder) => result,
        () = signals.stop() => Err(Failure::new(Exit::Failed, "interrupted before the jobs were done")),
    };
    let exit = match result {
        Ok(true) => Exit::Done,
        Ok(false) => Exit::Failed,
        Err(failure) => {
            server.stop().await;
            return Err(failure);
        }
    };
    if !options.once {
        report::links(&server.url(), &work)?;
        signals.stop().await;
        stderr::say("");
    }
    server.stop().await;
    // Kept up until Ctrl-C it has done what it was asked for, whatever became of the jobs.
    Ok(if options.once { exit } else { Exit::Done })
}

/// Submits one job of each, follows them all and shows their results; whether all succeeded.
async fn show(server: &Server, work: &[inputs::Work], folder: &Path) -> Result<bool, Failure> {
    let client = server.client()?;
    let mut handles = Vec::new();
    for work in work {
        handles.push(work.submit(&client).await?);
    }
    let style = Style::stdout();
    for job in &handles {
        print(&format!(
            "202 Accepted  {}  {}\n",
            style.paint(Ink::Bold, format!("{:16}", job.kind)),
            job.links.this.clone().unwrap_or_default()
        ))?;
    }
    print("\n")?;
    let bars = RefCell::new(Bars::new());
    let jobs = futures_util::future::try_join_all(handles.iter().map(|job| one(&client, job, &bars))).await?;
    print("\n")?;
    report::results(&client, &jobs, work, folder).await?;
    Ok(jobs.iter().all(|job| Exit::of(job) == Exit::Done))
}

async fn one(client: &Client, job: &Job, bars: &RefCell<Bars>) -> Result<Job, Failure> {
    follow(client, &job.id, &mut Shared(bars)).await
}

fn settings(folder: &Path, port: u16, work: &[inputs::Work]) -> Settings {
    let mut settings = Settings::default();
    settings.server.listen = format!("127.0.0.1:{port}");
    settings.store.url = StoreUrl::sqlite(&folder.join("raincheck.db"));
    settings.store.blobs = folder.join("blobs").display().to_string();
    settings.kinds = work.iter().map(|work| (work.kind.to_owned(), work.runs.clone())).collect();
    settings
}

/// The first port from `first` on that nobody listens on.
fn free_port(first: u16) -> Result<u16, Failure> {
    let free = (first..first.saturating_add(100)).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.ok_or_else(|| Failure::new(Exit::Failed, format!("the ports {first} to {} are all taken", first + 99)))
}
