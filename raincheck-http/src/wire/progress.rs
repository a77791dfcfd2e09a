//! How far a run has come, as its worker reports it.

use std::borrow::Cow;

use bytes::Bytes;
use raincheck_core::{Progress, limits};
use serde::Deserialize;

use super::{Present, too_deep};
use crate::problem::Violation;

/// A worker's report.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Progress)]
pub struct ProgressBody<'a> {
    /// 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    percent: Option<f64>,
    /// Units done.
    #[schema(minimum = 0)]
    current: Option<f64>,
    /// Units in all.
    #[schema(minimum = 0)]
    total: Option<f64>,
    /// A line for people.
    #[serde(borrow)]
    message: Option<Cow<'a, str>>,
    /// Anything else, at most 4 KiB.
    #[serde(default, borrow, deserialize_with = "Present::some")]
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Present<'a>>,
}

impl ProgressBody<'_> {
    /// The core's word for it. A long message is cut: a report must not fail a run for being chatty.
    pub fn check(self, pointer: &str, errors: &mut Vec<Violation>) -> Progress {
        let mut refuse =
            |member: &str, detail: &'static str| errors.push(Violation::new(format!("{pointer}/{member}"), detail));
        if self.percent.is_some_and(|p| !(0.0..=100.0).contains(&p)) {
            refuse("percent", "must be between 0 and 100");
        }
        let data = self.data.map(|Present(raw)| raw.get());
        if data.is_some_and(|d| d.len() > limits::PROGRESS_DATA_BYTES || too_deep(d.as_bytes())) {
            refuse("data", "must be at most 4 KiB, not nested deeper than 128");
        }
        let mut units = |member: &str, units: Option<f64>| {
            if units.is_some_and(|n| n.is_nan() || n < 0.0) {
                refuse(member, "must not be negative");
            }
            units.map(|n| n as u64)
        };
        let (current, total) = (units("current", self.current), units("total", self.total));
        Progress {
            percent: self.percent,
            current,
            total,
            message: self.message.map(|text| shorten(&text, limits::PROGRESS_MESSAGE_BYTES)),
            data: data.map(|text| Bytes::copy_from_slice(text.as_bytes())),
        }
    }
}

/// `text` for people, or as much of it as fits and a mark that there was more.
pub fn shorten(text: &str, most: usize) -> Box<str> {
    const MORE: &str = "…";
    if text.len() <= most { text.into() } else { [cut(text, most - MORE.len()), MORE].concat().into() }
}

/// `text`, or as much of it as fits, never in the middle of a character.
pub fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most.min(text.len()))]
}

/// The beginning of what something displays: the rest is not even kept on the way.
pub struct Cut {
    text: String,
    most: usize,
    is_whole: bool,
}

impl Cut {
    /// At most so many bytes, and whether that was all.
    pub fn of(shown: impl std::fmt::Display, most: usize) -> (String, bool) {
        let mut cut = Cut { text: String::new(), most, is_whole: true };
        // Ends with an error where nothing more fits.
        let all = std::fmt::write(&mut cut, format_args!("{shown}"));
        (cut.text, all.is_ok() && cut.is_whole)
    }
}

impl std::fmt::Write for Cut {
    fn write_str(&mut self, piece: &str) -> std::fmt::Result {
        let fits = cut(piece, self.most - self.text.len());
        self.text.push_str(fits);
        self.is_whole &= fits.len() == piece.len();
        if self.is_whole { Ok(()) } else { Err(std::fmt::Error) }
    }
}
