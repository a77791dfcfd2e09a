//! How far a run has come, as its worker reports it.

use std::borrow::Cow;

use bytes::Bytes;
use raincheck_core::{Progress, limits};
use serde::Deserialize;

use super::{Present, too_deep};
use crate::cut::shorten;
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
