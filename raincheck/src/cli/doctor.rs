//! `raincheck doctor`: is all well with the data?
//!
//! It reads the data folder itself, beside the running server or without one. So it needs no token and no address,
//! judges a server that does not answer as well as one that does, and costs a running one nothing but reads.

use std::path::PathBuf;

use clap::Args;
use raincheck_store::{Finding, Invariant, StoreError, StoreOptions};
use serde::Serialize;

use super::{
    exit::{Exit, Failure},
    output::{self, Format, Output},
    serve,
    style::{Ink, Style, tame},
};
use crate::config::StoreUrl;

/// Findings of a check that are shown; the rest is counted.
const SHOWN: usize = 5;

/// What to do about data that can't be had.
const NAME_IT: &str = "name the data with --data FOLDER or --store URL";
const REACH_IT: &str = "is the database running there, and may this user in? See docs/failover.md";

/// Which data.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// Folder of the whole state; beside PostgreSQL, of large payloads [default: ./raincheck-data]
    #[arg(long, env = "RAINCHECK_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// The database, as `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The settings file that names the data; ./raincheck.toml, where there is one, if not said
    #[arg(long, env = "RAINCHECK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Which {
    /// The data at an address.
    pub fn named(store: &str, config: Option<PathBuf>) -> Self {
        Self { data: None, store: Some(store.to_owned()), config }
    }

    /// What a server would open.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub fn store(self) -> Result<(StoreUrl, StoreOptions), Failure> {
        let Self { data, store, config } = self;
        serve::store(&serve::Options { data, store, config, ..serve::Options::default() })
    }
}

/// That data can't be had, and what to do if nothing else is known of it. Where nothing is, another is meant.
pub fn unusable(error: StoreError, is_there: bool, next: &str) -> Failure {
    let failure = Failure::from(error);
    let next = failure.next.unwrap_or_else(|| next.to_owned());
    Failure { exit: if is_there { Exit::Failed } else { Exit::Usage }, next: Some(next), ..failure }
}

/// Options of `doctor`.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    which: Which,
    /// Measure payloads only; else all of them are read and compared with their digests, which may take long
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    output: Output,
}

/// What was found of one promise.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    says: &'static str,
    result: &'static str,
    found: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    first: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Shown {
    subject: String,
    detail: String,
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    store: String,
    served: bool,
    looked: u64,
    checks: Vec<Check>,
}

/// Looks at everything; 0 when all is well, 1 when something is not.
pub async fn run(options: Options) -> Result<Exit, Failure> {
    let (url, store) = options.which.store()?;
    let none = |error: StoreError| match &store {
        StoreOptions::Sqlite(sqlite) => unusable(error, sqlite.path.is_file(), NAME_IT),
        // One that holds nothing.
        StoreOptions::Postgres(_) => {
            let is_there = !matches!(error, StoreError::Refused { .. });
            unusable(error, is_there, REACH_IT)
        }
    };
    let (mut doctor, served) = raincheck_store::doctor(&store, options.quick).await.map_err(none)?;
    let mut report =
        Report { ok: true, store: url.to_string(), served, looked: 0, checks: Invariant::ALL.map(Check::of).into() };
    while let Some(page) = doctor.page().await.map_err(|error| Failure::new(Exit::Failed, error.to_string()))? {
        report.looked += page.examined;
        page.findings.into_iter().for_each(|finding| report.note(finding));
        for (invariant, note) in page.notes {
            report.checks[invariant as usize].why.get_or_insert_with(|| note.into());
        }
        for (invariant, why) in page.unjudged {
            let check = &mut report.checks[invariant as usize];
            check.why.get_or_insert_with(|| why.into());
            // What was found stays found, whatever else could not be looked at.
            if check.found == 0 {
                check.result = "not judged";
            }
        }
    }
    match options.output.format {
        Format::Table => output::print(&report.text(Style::stdout()))?,
        format => output::json(&report, format)?,
    }
    Ok(if report.ok { Exit::Done } else { Exit::Failed })
}

impl Check {
    fn of(invariant: Invariant) -> Self {
        let (check, says) = (invariant.as_str(), invariant.says());
        Self { check, says, result: "ok", found: 0, first: Vec::new(), why: None, next: None }
    }
}

impl Report {
    fn note(&mut self, finding: Finding) {
        let check = &mut self.checks[finding.invariant as usize];
        check.found += 1;
        check.next = Some(finding.invariant.next_step());
        if finding.invariant.is_remark() {
            check.result = "remark";
        } else {
            check.result = "found";
            self.ok = false;
        }
        if check.first.len() < SHOWN {
            check.first.push(Shown { subject: finding.subject.into(), detail: finding.detail.into() });
        }
    }

    fn text(&self, style: Style) -> String {
        let beside = if self.served { "beside its server" } else { "no server has it" };
        let mut text = format!("{}, {beside}\n", self.store);
        for check in &self.checks {
            let ink = match check.result {
                "ok" => Ink::Green,
                "found" => Ink::Red,
                _ => Ink::Yellow,
            };
            let result =
                if check.found > 0 { format!("{} {}", check.result, check.found) } else { check.result.into() };
            let (result, name) = (style.paint(ink, format!("{result:10}")), format!("{:12}", check.check));
            text += &format!("{result}  {name}  {}\n", check.says);
            let lines = check.first.iter().map(|one| format!("{}: {}", one.subject, one.detail));
            let more = check.found.saturating_sub(check.first.len() as u64);
            let more = (more > 0).then(|| format!("and {more} more"));
            let next = check.next.map(|next| format!("{} {next}", style.paint(Ink::Bold, "next:")));
            for line in lines.chain(more).chain(check.why.clone()).chain(next) {
                text += &format!("{:26}{}\n", "", tame(&line));
            }
        }
        let verdict =
            if self.ok { style.paint(Ink::Green, "all is well") } else { style.paint(Ink::Red, "something is wrong") };
        text + &format!("{verdict}; {} rows and files were looked at\n", self.looked)
    }
}
