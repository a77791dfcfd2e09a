//! Query parameters: each known, each once.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use http::request::Parts;
use raincheck_core::{Millis, Name, NameFilter, State, limits, parse_duration};

use super::problem::{Problem, Violation};

/// Rows on a page unless asked otherwise.
const PAGE: usize = 50;

/// The parameters of a request. A handler takes those that it knows and calls [`Query::done`], which refuses the rest.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The parameter of this name.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(place).1)
    }

    /// What `read` makes of the parameter, or a problem that says what it should be.
    pub fn read<T>(
        &mut self,
        name: &str,
        should: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        read(&text).map(Some).ok_or_else(|| bad(name, should))
    }

    /// A whole number.
    pub fn number<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        self.read(name, "must be a whole number within bounds", |text| text.parse().ok())
    }

    /// `true` or `false`; a bare name is `true`.
    pub fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        let read = |text: &str| match text {
            "" | "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
        Ok(self.read(name, "must be true or false", read)?.unwrap_or(false))
    }

    /// A duration.
    pub fn duration(&mut self, name: &str) -> Result<Option<Millis>, Problem> {
        self.read(name, "must be a duration: 500ms, 90s, 15m, 2h, 7d or whole seconds", |text| {
            parse_duration(text).ok()
        })
    }

    /// One name.
    pub fn name(&mut self, name: &str) -> Result<Option<Name>, Problem> {
        self.read(name, "must be a name: [A-Za-z0-9][A-Za-z0-9._:-]{0,127}", |text| Name::new(text).ok())
    }

    /// Names of queues or kinds and patterns of them, with commas between them; any when the parameter is absent.
    pub fn names(&mut self, name: &str) -> Result<NameFilter, Problem> {
        let Some(text) = self.take(name) else { return Ok(NameFilter::default()) };
        NameFilter::parse(&text).map_err(|error| bad(name, error.to_string()))
    }

    /// How many on a page.
    pub fn page_size(&mut self) -> Result<usize, Problem> {
        let read = |text: &str| text.parse().ok().filter(|n| (1..=limits::PAGE_ROWS).contains(n));
        Ok(self.read("limit", "must be between 1 and 1000", read)?.unwrap_or(PAGE))
    }

    /// States, with commas between them; none when the parameter is absent.
    pub fn states(&mut self) -> Result<Vec<State>, Problem> {
        let Some(text) = self.take("state") else { return Ok(Vec::new()) };
        let states: Option<Vec<State>> = text.split(',').map(State::from_word).collect();
        let words = || State::ALL.map(State::as_str).join(", ");
        states.ok_or_else(|| bad("state", format!("must be one or several, with commas between them, of {}", words())))
    }

    /// All parameters whose name begins with `prefix`, by the rest of their name.
    pub fn prefixed(&mut self, prefix: &str) -> Vec<(Box<str>, Box<str>)> {
        let all = std::mem::take(&mut self.0);
        let (taken, left) = all.into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.0 = left;
        taken.into_iter().map(|(name, value)| (name[prefix.len()..].into(), value.into())).collect()
    }

    /// Refuses what nobody took.
    pub fn done(&self) -> Result<(), Problem> {
        self.done_or(|_| None)
    }

    /// The same, with what to write instead where that is known.
    pub fn done_or(&self, instead: impl Fn(&str) -> Option<&'static str>) -> Result<(), Problem> {
        let Some((name, _)) = self.0.first() else { return Ok(()) };
        let unknown = "is not a parameter of this request";
        Err(match instead(name) {
            Some(instead) => bad(name, format!("{unknown}: write {instead}")),
            None => bad(name, unknown),
        })
    }
}

fn bad(name: &str, detail: impl Into<Cow<'static, str>>) -> Problem {
    let detail = detail.into();
    let text = format!("query parameter {name:?} {detail}");
    Problem::bad(text).errors(vec![Violation::new(format!("?{name}"), detail)])
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(text) = parts.uri.query() else { return Ok(Query::default()) };
        let mut all: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if all.len() == limits::PARAMETERS {
                return Err(Problem::bad("the query has too many parameters"));
            }
            if all.iter().any(|(known, _)| *known == name) {
                return Err(bad(&name, "is there twice"));
            }
            if name.contains('\0') || value.contains('\0') {
                return Err(bad(&name, "must not hold NUL"));
            }
            all.push((name.into_owned(), value.into_owned()));
        }
        Ok(Query(all))
    }
}
