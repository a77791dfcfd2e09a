//! How far jobs are: bars that move on a terminal, plain lines in a pipe.

use std::{collections::HashMap, sync::OnceLock, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use raincheck_client::{Job, State};

use super::{
    follow::{Show, percent, words},
    stderr,
    style::{Style, one_line},
};

/// Bars on standard error, or lines where nobody would see them move.
pub struct Bars {
    style: Style,
    all: MultiProgress,
    bars: HashMap<String, ProgressBar>,
    lines: HashMap<String, String>,
}

/// All bars of this process: who says something beside them has to move them first.
static SHOWN: OnceLock<MultiProgress> = OnceLock::new();

/// Says it on standard error, above the bars.
pub fn say(text: &str) {
    match SHOWN.get() {
        Some(all) => all.suspend(|| stderr::say(text)),
        None => stderr::say(text),
    }
}

impl Bars {
    /// For standard error as it is.
    pub fn new() -> Self {
        let style = Style::stderr();
        let target = if style.is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let all = SHOWN.get_or_init(|| MultiProgress::with_draw_target(target)).clone();
        Self { style, all, bars: HashMap::new(), lines: HashMap::new() }
    }

    /// The name a job is shown under.
    fn name(job: &Job) -> String {
        let label = job.label.as_deref().map(|label| format!(" {}", one_line(label, 24))).unwrap_or_default();
        format!("{}{label}", one_line(&job.kind, usize::MAX))
    }

    fn bar(&mut self, job: &Job) -> &ProgressBar {
        let all = &self.all;
        self.bars.entry(job.id.clone()).or_insert_with(|| {
            let bare = ProgressStyle::with_template("").unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = all.add(ProgressBar::new(1_000).with_style(bare));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        })
    }

    fn line(&mut self, job: &Job) {
        let (percent, words) = (percent(job), words(job));
        // A tenth of the way is news; every percent, with its words, is not.
        let news = match percent {
            Some(percent) => format!("{} {:.0}", job.state, (percent / 10.0).floor()),
            None => format!("{} {words}", job.state),
        };
        if self.lines.insert(job.id.clone(), news.clone()).as_ref() != Some(&news) {
            let percent = percent.map(|percent| format!("{:.0} %", percent.floor()));
            let all = [Some(job.state.to_string()), percent, Some(words)];
            let all: Vec<String> = all.into_iter().flatten().filter(|text| !text.is_empty()).collect();
            stderr::say(&format!("{} {} {}", job.id, one_line(&job.kind, usize::MAX), all.join(" ")));
        }
    }
}

impl Default for Bars {
    fn default() -> Self {
        Self::new()
    }
}

impl Show for Bars {
    fn job(&mut self, job: &Job) {
        if job.state.is_final() {
            // Its last words are said when the whole job is there.
            return;
        }
        if !self.style.is_terminal() {
            return self.line(job);
        }
        let template = match percent(job) {
            Some(_) => "{prefix:28!} {bar:30.blue/238} {percent:>3} % {elapsed:>4} {wide_msg:.dim}".to_owned(),
            None => format!(
                "{{prefix:28!}} {{spinner:.blue}} {:<28}       {{elapsed:>4}} {{wide_msg:.dim}}",
                job.state.as_str()
            ),
        };
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let (name, words, percent) = (Self::name(job), words(job), percent(job));
        let bar = self.bar(job);
        if let Some(percent) = percent {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
            bar.set_position((percent * 10.0) as u64);
        }
        bar.set_style(style.progress_chars("━━╌").tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
        bar.set_prefix(name);
        bar.set_message(words);
    }

    fn done(&mut self, job: &Job) {
        if !self.style.is_terminal() {
            return self.line(job);
        }
        let mark = match job.state {
            State::Succeeded => "✔",
            _ => "✘",
        };
        let state = format!("{mark} {}", job.state);
        let template = format!(
            "{{prefix:28!}} {} {{elapsed:>4}} {{wide_msg:.dim}}",
            self.style.paint(super::style::state_ink(job.state), format!("{state:<37}"))
        );
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let (name, words) = (Self::name(job), words(job));
        if !words.is_empty() {
            // In full, and beside a bar there is little room.
            say(&format!("job {}: {words}", job.id));
        }
        let bar = self.bar(job);
        bar.set_style(style);
        bar.set_prefix(name);
        bar.finish_with_message("");
    }
}
