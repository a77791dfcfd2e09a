//! `raincheck queue …`.

use clap::{Args, Subcommand};
use raincheck_client::api::{Queue, QueuePatch};

use super::{
    exit::{Exit, Failure},
    names::name,
    operate::{ListOptions, Options},
    output::{self, Cell, Format, facts},
    style::Ink,
};
use crate::config::tree::suggestion;

/// `raincheck queue …`
#[derive(Subcommand, Debug)]
pub enum QueueCommand {
    /// List all queues
    List(ListOptions),
    /// Show one queue
    Show(Named),
    /// Stop leasing from a queue; submits go on
    Pause(Named),
    /// Go on leasing from a queue
    Resume(Named),
    /// Change the limits of a queue: max_queued=1000 concurrency=4; `none` takes one away
    Set {
        #[command(flatten)]
        named: Named,
        /// What to change.
        #[arg(required = true, value_name = "SETTING=VALUE")]
        settings: Vec<String>,
    },
}

/// A queue and options.
#[derive(Args, Debug)]
pub struct Named {
    /// The queue.
    #[arg(value_parser = name)]
    queue: String,
    #[command(flatten)]
    options: Options,
}

impl QueueCommand {
    /// Does it and shows what came of it.
    pub async fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::List(options) => {
                let queues = options.connect.client()?.queues().await?;
                let columns = ["QUEUE", "WAITING", "RUNNING", "PAUSED", "CONCURRENCY", "MAX_QUEUED"];
                options.output.show(&queues, &columns, row)?;
            }
            Self::Show(named) => named.show(named.options.connect.client()?.queue(&named.queue).await?)?,
            Self::Pause(named) => named.patch(QueuePatch { paused: Some(true), ..QueuePatch::default() }).await?,
            Self::Resume(named) => named.patch(QueuePatch { paused: Some(false), ..QueuePatch::default() }).await?,
            Self::Set { named, settings } => named.patch(patch(&settings)?).await?,
        }
        Ok(Exit::Done)
    }
}

impl Named {
    async fn patch(&self, patch: QueuePatch) -> Result<(), Failure> {
        self.show(self.options.connect.client()?.patch_queue(&self.queue, &patch).await?)
    }

    fn show(&self, queue: Queue) -> Result<(), Failure> {
        let format = self.options.output.format;
        if format != Format::Table {
            return output::json(&queue, format);
        }
        let mut lines = vec![("queue".to_owned(), queue.name.clone()), ("paused".to_owned(), yes(queue.paused))];
        lines.push(("concurrency".to_owned(), limit(queue.concurrency.map(u64::from))));
        lines.push(("max_queued".to_owned(), limit(queue.max_queued)));
        lines.extend(
            queue
                .more
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name.clone(), value.to_string())),
        );
        let lines: Vec<(&str, String)> = lines.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        output::print(&facts(&lines))
    }
}

fn patch(settings: &[String]) -> Result<QueuePatch, Failure> {
    let mut patch = QueuePatch::default();
    for setting in settings {
        let (name, value) =
            setting.split_once('=').ok_or_else(|| Failure::usage(format!("`{setting}`: write SETTING=VALUE")))?;
        let number =
            match value {
                "none" => None,
                value => Some(value.parse::<u64>().map_err(|_| {
                    Failure::usage(format!("`{setting}`: `{value}` is neither a whole number nor `none`"))
                })?),
            };
        match name {
            "max_queued" => patch.max_queued = Some(number),
            "concurrency" => {
                let fits =
                    |number| u32::try_from(number).map_err(|_| Failure::usage(format!("`{setting}` is too large")));
                patch.concurrency = Some(number.map(fits).transpose()?);
            }
            _ => {
                return Err(Failure::usage(format!(
                    "a queue has no setting `{name}`; {}",
                    suggestion(name, &["max_queued", "concurrency"])
                )));
            }
        }
    }
    Ok(patch)
}

fn row(queue: &Queue) -> Vec<Cell> {
    let figure = |names: &[&str]| {
        let found = names.iter().find_map(|name| queue.more.get(*name));
        found.map_or_else(String::new, ToString::to_string)
    };
    vec![
        (queue.name.clone(), None),
        (figure(&["waiting", "queued"]), None),
        (figure(&["running"]), None),
        (yes(queue.paused), queue.paused.then_some(Ink::Yellow)),
        (limit(queue.concurrency.map(u64::from)), None),
        (limit(queue.max_queued), None),
    ]
}

fn yes(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

fn limit(limit: Option<u64>) -> String {
    limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string())
}

#[cfg(test)]
mod tests {
    use super::patch;

    #[test]
    fn settings_of_a_queue() {
        let settings = ["max_queued=5".to_owned(), "concurrency=none".to_owned()];
        let patch_ = patch(&settings).unwrap();
        assert_eq!((patch_.max_queued, patch_.concurrency), (Some(Some(5)), Some(None)));
        for bad in ["max_queued", "max_queued=x", "concurency=1", "concurrency=99999999999"] {
            assert!(patch(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
