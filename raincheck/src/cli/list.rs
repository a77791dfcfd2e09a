//! `raincheck list`.

use std::num::NonZeroUsize;

use clap::Args;
use raincheck_client::{Job, api::ListFilter};

use super::{
    Connect,
    exit::{Exit, Failure},
    follow::percent,
    names::{names, states},
    output::{Cell, Listing},
    stderr,
    style::{Ink, state_ink},
    submit::tag,
    when,
};

/// Options of `list`.
#[derive(Args, Debug)]
pub struct List {
    /// In this state: scheduled, blocked, queued, running, succeeded, failed or canceled; several with commas between them,
    /// or given again.
    #[arg(long, value_parser = states)]
    state: Vec<String>,
    /// Of this kind, or of those that a pattern matches, such as shop.*; several with commas between them.
    #[arg(long, value_parser = names)]
    kind: Option<String>,
    /// In this queue, or in those that a pattern matches; several with commas between them.
    #[arg(long, value_parser = names)]
    queue: Option<String>,
    /// With this idempotency key.
    #[arg(long)]
    key: Option<String>,
    /// With this tag; can be given again.
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// With this text in label, key, tags, input or error.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most so many, from 1.
    #[arg(long, value_name = "N", default_value = "50")]
    limit: NonZeroUsize,
    #[command(flatten)]
    output: Listing,
    #[command(flatten)]
    connect: Connect,
}

/// Jobs a request.
const PAGE: usize = 500;

impl List {
    /// Lists jobs, page after page.
    pub async fn run(self) -> Result<Exit, Failure> {
        let client = self.connect.client()?;
        let mut filter = ListFilter {
            states: self.state,
            queue: self.queue,
            kind: self.kind,
            key: self.key,
            tags: self.tags,
            search: self.search,
            ..ListFilter::default()
        };
        let (limit, mut jobs) = (self.limit.get(), Vec::new());
        while jobs.len() < limit {
            filter.limit = u32::try_from((limit - jobs.len()).min(PAGE)).ok();
            let page = client.list(&filter).await?;
            jobs.extend(page.items);
            filter.cursor = page.next_cursor;
            if page.partial {
                stderr::say("the search was cut off by the server's time limit; narrow it down with --kind or --queue");
            }
            if filter.cursor.is_none() || page.partial {
                break;
            }
        }
        self.output.show(&jobs, &["ID", "KIND", "QUEUE", "STATE", "PROGRESS", "LABEL", "AGE"], row)?;
        Ok(Exit::Done)
    }
}

fn row(job: &Job) -> Vec<Cell> {
    let progress = percent(job).filter(|_| !job.done).map(|percent| format!("{percent:.0} %")).unwrap_or_default();
    vec![
        (job.id.clone(), None),
        (job.kind.clone(), None),
        (job.queue.clone(), None),
        (job.state.to_string(), Some(state_ink(job.state))),
        (progress, None),
        (job.label.clone().unwrap_or_default(), None),
        (job.created_at.as_deref().map(when::ago).unwrap_or_default(), Some(Ink::Dim)),
    ]
}
