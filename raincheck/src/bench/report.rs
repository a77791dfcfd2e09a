//! The figures and how they are shown.

use serde::Serialize;

use super::{machine::Machine, series::Series};
use crate::cli::{
    exit::Failure,
    output::{self, Cell, Format, Listing},
    style::Ink,
};

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which goal it belongs to.
    pub id: &'static str,
    /// What was measured.
    pub what: String,
    /// How much it was: the median of the rounds.
    pub value: f64,
    /// The lowest of the rounds.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// How many rounds.
    pub rounds: usize,
    /// Of what.
    pub unit: &'static str,
    /// What it is compared to, measured in the same rounds.
    pub against: Option<Against>,
    /// The goal.
    pub goal: Option<Goal>,
    /// Whether it is met.
    pub met: Option<bool>,
    /// More about it.
    pub note: Option<String>,
    /// Where it matters how it went on: the same, piece by piece. Only in the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub course: Vec<f64>,
    #[serde(skip)]
    series: Series,
}

/// What a figure is compared to.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    /// What it is.
    pub what: String,
    /// Its median, in the unit of the figure.
    pub value: f64,
    /// Its lowest.
    pub low: f64,
    /// Its highest.
    pub high: f64,
    /// The median of the rounds' ratios.
    pub ratio: f64,
    /// The lowest ratio of a round.
    pub ratio_low: f64,
    /// The highest.
    pub ratio_high: f64,
}

/// What should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The ratio should be at least this.
    RatioAtLeast(f64),
    /// The value should be at most this.
    ValueAtMost(f64),
}

impl Row {
    /// A figure alone.
    pub fn new(id: &'static str, what: impl Into<String>, series: impl Into<Series>, unit: &'static str) -> Self {
        let series = series.into();
        let (value, (low, high), rounds) = (series.median(), series.spread(), series.rounds());
        let what = what.into();
        let (against, goal, met, note, course) = (None, None, None, None, Vec::new());
        Self { id, what, value, low, high, rounds, unit, against, goal, met, note, course, series }
    }

    /// Compared to what was measured in the same rounds.
    pub fn over(self, what: impl Into<String>, other: &Series) -> Self {
        let (ratios, (low, high)) = (self.series.over(other), other.spread());
        let (ratio, (ratio_low, ratio_high)) = (ratios.median(), ratios.spread());
        let against = Against { what: what.into(), value: other.median(), low, high, ratio, ratio_low, ratio_high };
        Self { against: Some(against), ..self }
    }

    /// The ratio should be at least so much.
    pub fn at_least(self, goal: f64) -> Self {
        let met = self.against.as_ref().map(|against| against.ratio >= goal);
        Self { goal: Some(Goal::RatioAtLeast(goal)), met, ..self }
    }

    /// It should be at most so much.
    pub fn at_most(self, goal: f64) -> Self {
        Self { goal: Some(Goal::ValueAtMost(goal)), met: Some(self.value <= goal), ..self }
    }

    /// With more about it.
    pub fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// With how it went on.
    pub fn course(self, course: Vec<f64>) -> Self {
        Self { course, ..self }
    }

    fn cells(&self) -> Vec<Cell> {
        let goal = match self.goal {
            Some(Goal::RatioAtLeast(goal)) => format!("≥ {goal:.2}"),
            Some(Goal::ValueAtMost(goal)) => format!("≤ {goal} {}", self.unit),
            None => String::new(),
        };
        let (met, ink) = match self.met {
            Some(true) => ("met", Some(Ink::Green)),
            Some(false) => ("missed", Some(Ink::Red)),
            None => ("", None),
        };
        let against = self.against.as_ref();
        let compared = against.map(|other| format!("{}, {} {}", other.what, number(other.value), self.unit));
        let beside: Vec<String> = compared.into_iter().chain(self.note.clone()).collect();
        vec![
            (self.id.to_owned(), None),
            (self.what.clone(), None),
            (format!("{} {}", number(self.value), self.unit).trim().to_owned(), Some(Ink::Bold)),
            (spread(self.rounds, self.low, self.high, number), Some(Ink::Dim)),
            (against.map(|other| ratio(other.ratio)).unwrap_or_default(), Some(Ink::Bold)),
            (
                against.map(|other| spread(self.rounds, other.ratio_low, other.ratio_high, ratio)).unwrap_or_default(),
                Some(Ink::Dim),
            ),
            (beside.join("; "), Some(Ink::Dim)),
            (goal.trim().to_owned(), None),
            (met.to_owned(), ink),
        ]
    }
}

/// All figures of a run, and what they are true of.
#[derive(Clone, Debug, Serialize)]
pub struct Report<O> {
    /// The machine.
    pub machine: Machine,
    /// The sizes asked for.
    pub options: O,
    /// The figures.
    pub rows: Vec<Row>,
}

impl<O: Clone + Serialize> Report<O> {
    /// Without figures yet.
    pub fn begin(options: &O) -> Self {
        Self { machine: Machine::this(), options: options.clone(), rows: Vec::new() }
    }

    /// Prints it.
    pub fn print(&self, format: Format) -> Result<(), Failure> {
        match format {
            Format::Json => return output::json(self, format),
            Format::Jsonl => return self.rows.iter().try_for_each(|row| output::json(row, format)),
            Format::Table => {}
        }
        let machine = &self.machine;
        let memory = machine.memory_mib.map(|mib| format!(", {mib} MiB")).unwrap_or_default();
        let build = if machine.release_build { "" } else { ", DEBUG BUILD: these figures mean nothing" };
        output::print(&format!(
            "{}, raincheck {}{build}\n{} × {}{memory}, {}\n\n",
            machine.date, machine.version, machine.processors, machine.processor, machine.system
        ))?;
        let columns = ["", "MEASURE", "MEDIAN", "MIN..MAX", "RATIO", "MIN..MAX", "AGAINST, NOTES", "GOAL", ""];
        Listing::of(format).show(&self.rows, &columns, Row::cells)
    }
}

fn spread(rounds: usize, low: f64, high: f64, show: fn(f64) -> String) -> String {
    if rounds < 2 { String::new() } else { format!("{}..{}", show(low), show(high)) }
}

fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

/// Large numbers whole and grouped, small ones with what matters of them.
fn number(value: f64) -> String {
    if value.abs() < 1.0 {
        return format!("{value:.3}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.0456, 12.3, 123.4, 48_100.2, 1_234_567.0].map(number),
            ["0.046", "12.30", "123", "48,100", "1,234,567"]
        );
    }

    #[test]
    fn goals_are_judged() {
        let row = || Row::new("P", "x", 3.0, "ms");
        assert_eq!((row().at_most(3.0).met, row().at_most(2.0).met), (Some(true), Some(false)));
        let compared = row().over("y", &6.0.into());
        assert_eq!((compared.clone().at_least(0.5).met, compared.at_least(0.6).met), (Some(true), Some(false)));
    }

    #[test]
    fn the_document_says_all() {
        let rounds: Series = [1.0, 3.0, 2.0].into_iter().collect();
        let row = Row::new("P", "x", rounds, "/s").over("y", &[2.0, 2.0, 2.0].into_iter().collect()).at_least(0.9);
        assert_eq!(
            serde_json::to_value(row).unwrap(),
            serde_json::json!({
                "id": "P", "what": "x", "value": 2.0, "low": 1.0, "high": 3.0, "rounds": 3, "unit": "/s",
                "against": {"what": "y", "value": 2.0, "low": 2.0, "high": 2.0,
                            "ratio": 1.0, "ratio_low": 0.5, "ratio_high": 1.5},
                "goal": {"ratio_at_least": 0.9}, "met": true, "note": null
            })
        );
    }
}
