//! The figures and how they are shown.

use serde::Serialize;

use super::machine::Machine;
use crate::cli::{
    exit::Failure,
    output::{self, Cell, Format},
    style::Ink,
};

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which goal it belongs to.
    pub id: &'static str,
    /// What was measured.
    pub what: String,
    /// How much it was.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What it is compared to, measured in the same run.
    pub against: Option<String>,
    /// How many times that.
    pub ratio: Option<f64>,
    /// The goal: for `ratio` at least, for `value` at most.
    pub goal: Option<f64>,
    /// Whether it is met.
    pub met: Option<bool>,
    /// More about it.
    pub note: Option<String>,
}

impl Row {
    /// A figure alone.
    pub fn rate(id: &'static str, what: String, value: f64, unit: &'static str) -> Self {
        Self { id, what, value, unit, against: None, ratio: None, goal: None, met: None, note: None }
    }

    /// Compared to something, of which it should be at least so much.
    pub fn of(self, against: String, ratio: f64, goal: f64) -> Self {
        Self { against: Some(against), ratio: Some(ratio), goal: Some(goal), met: Some(ratio >= goal), ..self }
    }

    /// It should be at most so much.
    pub fn at_most(self, goal: f64) -> Self {
        Self { goal: Some(goal), met: Some(self.value <= goal), ..self }
    }

    /// With more about it.
    pub fn note(self, note: String) -> Self {
        Self { note: Some(note), ..self }
    }

    fn cells(&self) -> Vec<Cell> {
        let goal = match (self.goal, self.ratio) {
            (Some(goal), Some(_)) => format!("≥ {goal:.2}"),
            (Some(goal), None) => format!("≤ {goal} {}", self.unit),
            (None, _) => String::new(),
        };
        let (met, ink) = match self.met {
            Some(true) => ("met", Some(Ink::Green)),
            Some(false) => ("missed", Some(Ink::Red)),
            None => ("", None),
        };
        let against = self.against.clone().or_else(|| self.note.clone()).unwrap_or_default();
        vec![
            (self.id.to_owned(), None),
            (self.what.clone(), None),
            (format!("{} {}", number(self.value), self.unit).trim().to_owned(), Some(Ink::Bold)),
            (self.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(), None),
            (against, Some(Ink::Dim)),
            (goal, None),
            (met.to_owned(), ink),
        ]
    }
}

/// All figures of a run, and what they are true of.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// The figures.
    pub rows: Vec<Row>,
}

impl Report {
    /// Without figures yet.
    pub fn begin() -> Self {
        Self { machine: Machine::this(), rows: Vec::new() }
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
        let columns = ["", "MEASURE", "FIGURE", "RATIO", "AGAINST", "GOAL", ""];
        output::many(&self.rows, format, &columns, Row::cells)
    }
}

/// Large numbers whole and grouped, small ones with what matters of them.
fn number(value: f64) -> String {
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

/// Milliseconds as text.
pub fn format_millis(millis: f64) -> String {
    format!("{millis:.2} ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0.456, 12.3, 123.4, 48_100.2, 1_234_567.0].map(number),
            ["0.46", "12.30", "123", "48,100", "1,234,567"]
        );
    }

    #[test]
    fn goals_are_judged() {
        let row = || Row::rate("P", "x".into(), 3.0, "ms");
        assert_eq!((row().at_most(3.0).met, row().at_most(2.0).met), (Some(true), Some(false)));
        assert_eq!(row().of("y".into(), 0.4, 0.5).met, Some(false));
    }
}
