//! What commands say on standard output: tables for people, lines for pipes, JSON for programs.

use std::borrow::Cow;
use std::io::{Error, ErrorKind, IsTerminal as _, Write as _, stdout};
use std::time::Duration;

use clap::{Args, ValueEnum};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, ioctl_fionread};
use serde::Serialize;

use super::{
    exit::Failure,
    style::{Ink, Style, direction, is_direction, one_line, tame, tame_json},
};

/// How often a pipe is looked at that is not empty yet: it tells nobody.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// `-o` of every reading command.
#[derive(Args, Clone, Copy, Debug)]
pub struct Output {
    /// Tables for people (plain lines in a pipe), one JSON document, or one JSON object a line.
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

/// `-o` of every command that lists something.
#[derive(Args, Clone, Copy, Debug)]
pub struct Listing {
    #[command(flatten)]
    output: Output,
    /// Leave out the first line of a table, which names its columns
    #[arg(long)]
    no_header: bool,
}

/// How things are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people; separated by tabs in a pipe.
    Table,
    /// One document.
    Json,
    /// One object a line.
    Jsonl,
}

/// A cell: its text and how it is painted.
pub type Cell = (String, Option<Ink>);

/// Writes to standard output; ends the program quietly when nobody reads any more (`| head`). On a terminal nothing of it
/// changes the direction of the rest.
///
/// # Errors
/// When writing fails in any other way, for example on a full disk.
pub fn print(text: &str) -> Result<(), Failure> {
    if text.contains(is_direction) && stdout().is_terminal() {
        return print_bytes(direction(text).as_bytes());
    }
    print_bytes(text.as_bytes())
}

/// As [`print()`], for bytes.
///
/// # Errors
/// As [`print()`].
pub fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| unwritable(&error))
}

/// That standard output could not be written. Ends the program quietly when nobody reads any more.
pub fn unwritable(error: &Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(0);
    }
    Failure::usage(format!("cannot write to standard output: {error}"))
}

/// Returns when whoever reads a pipe has taken out of it what was printed, and still reads; a terminal or a file has at once.
/// Ends the program quietly when nobody reads any more.
///
/// # Errors
/// When that cannot be told.
pub async fn taken() -> Result<(), Failure> {
    let stdout = stdout();
    if FileType::from_raw_mode(fstat(&stdout).map_err(unheard)?.st_mode) != FileType::Fifo {
        return Ok(());
    }
    loop {
        let is_taken = ioctl_fionread(&stdout).map_err(unheard)? == 0;
        // Looked at afterwards: who has taken all of it and gone is not told that it was handled.
        let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
        poll(&mut ends, Some(&Timespec::default())).map_err(unheard)?;
        if ends[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            std::process::exit(0);
        }
        if is_taken {
            return Ok(());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn unheard(error: Errno) -> Failure {
    Failure::usage(format!("cannot tell what was taken of standard output: {error}"))
}

/// One value as JSON: indented, or on one line.
///
/// # Errors
/// As [`print()`].
pub fn json<T: Serialize>(value: &T, format: Format) -> Result<(), Failure> {
    let text =
        if format == Format::Jsonl { serde_json::to_string(value)? } else { serde_json::to_string_pretty(value)? };
    print(&format!("{}\n", json_text(&text)))
}

/// JSON as it is, or for a terminal as the same without characters that would drive it.
pub fn json_text(json: &str) -> Cow<'_, str> {
    if stdout().is_terminal() { tame_json(json).into() } else { json.into() }
}

impl Listing {
    /// In this format, with the names of columns.
    pub fn of(format: Format) -> Self {
        Self { output: Output { format }, no_header: false }
    }

    /// Many values: a table made by `row`, a JSON array, or a line each.
    ///
    /// # Errors
    /// As [`print()`].
    pub fn show<T: Serialize>(
        self,
        items: &[T],
        columns: &[&str],
        row: impl Fn(&T) -> Vec<Cell>,
    ) -> Result<(), Failure> {
        match self.output.format {
            Format::Json => json(&items, Format::Json),
            Format::Jsonl => items.iter().try_for_each(|item| json(item, Format::Jsonl)),
            Format::Table => {
                let rows: Vec<Vec<Cell>> = items.iter().map(row).collect();
                print(&table(Style::stdout(), !self.no_header, columns, &rows))
            }
        }
    }
}

/// Aligned columns on a terminal, tabs between them in a pipe.
fn table(style: Style, header: bool, columns: &[&str], rows: &[Vec<Cell>]) -> String {
    if !style.is_terminal() {
        let line = |row: &Vec<Cell>| {
            row.iter().map(|(text, _)| one_line(text, usize::MAX)).collect::<Vec<_>>().join("\t") + "\n"
        };
        let header = header.then(|| columns.join("\t") + "\n");
        return header.into_iter().chain(rows.iter().map(line)).collect();
    }
    let cell = |text: &str| one_line(text, 48);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| cell(text).chars().count());
        cells.chain(header.then(|| columns[column].len())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    let mut line = |cells: Vec<Cell>| {
        let padded = cells.iter().zip(&widths).map(|((cell, ink), width)| {
            let padded = format!("{cell:width$}");
            ink.map_or(padded.clone(), |ink| style.paint(ink, padded))
        });
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    };
    if header {
        line(columns.iter().map(|name| ((*name).to_owned(), Some(Ink::Dim))).collect());
    }
    for row in rows {
        line(row.iter().map(|(text, ink)| (cell(text), *ink)).collect());
    }
    text
}

/// Names and values under each other.
pub fn facts(facts: &[(&str, String)]) -> String {
    let facts: Vec<(&str, Cell)> = facts.iter().map(|(name, value)| (*name, (value.clone(), None))).collect();
    painted(&facts)
}

/// The same, with values in colors.
pub fn painted(facts: &[(&str, Cell)]) -> String {
    let style = Style::stdout();
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let line = |(name, (value, ink)): &(&str, Cell)| {
        let value = tame(value);
        let value = ink.map_or(value.clone(), |ink| style.paint(ink, value));
        if style.is_terminal() {
            format!("{}  {value}\n", style.paint(Ink::Dim, format!("{name:width$}")))
        } else {
            format!("{name}\t{value}\n")
        }
    };
    facts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_tabs_and_the_names_of_columns() {
        let rows = vec![vec![("a".to_owned(), None), ("b\nc".to_owned(), None)]];
        assert_eq!(table(Style::plain(), true, &["X", "Y"], &rows), "X\tY\na\tb c\n");
        assert_eq!(table(Style::plain(), false, &["X", "Y"], &rows), "a\tb c\n");
    }
}
