use crate::limits::FILTER_NAMES;
use crate::name::{Name, NameError};
use crate::pattern::Pattern;

/// Names and patterns of names, one of which must fit. Where there are none, every name does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFilter {
    /// The name itself.
    pub names: Vec<Name>,
    /// Whatever one of these matches.
    pub patterns: Vec<Pattern>,
}

/// Why a text is not a [`NameFilter`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFilterError {
    /// One of the list, counted from 1, can be neither.
    #[error("must be a name, a pattern such as shop.*, or several with commas between them: number {0} {1}")]
    Name(usize, NameError),
    /// More than [`FILTER_NAMES`].
    #[error("must not hold more than {FILTER_NAMES} names and patterns")]
    TooMany,
}

impl NameFilter {
    /// Adds what `text` stands for: a pattern if there is a `*` in it, else a name.
    pub fn add(&mut self, text: &str) -> Result<(), NameError> {
        match Pattern::is_meant(text) {
            true => self.patterns.push(Pattern::new(text)?),
            false => self.names.push(Name::new(text)?),
        }
        Ok(())
    }

    /// Reads names and patterns with commas between them.
    pub fn parse(text: &str) -> Result<Self, NameFilterError> {
        let mut filter = NameFilter::default();
        for (index, text) in text.split(',').enumerate() {
            if index == FILTER_NAMES {
                return Err(NameFilterError::TooMany);
            }
            filter.add(text).map_err(|error| NameFilterError::Name(index + 1, error))?;
        }
        Ok(filter)
    }

    /// Whether every name passes.
    pub fn is_any(&self) -> bool {
        self.names.is_empty() && self.patterns.is_empty() || self.patterns.iter().any(Pattern::is_any)
    }

    /// Whether `name` passes.
    pub fn admits(&self, name: &Name) -> bool {
        self.names.contains(name) || self.patterns.iter().any(|pattern| pattern.matches(name)) || self.is_any()
    }
}

impl From<Name> for NameFilter {
    fn from(name: Name) -> Self {
        NameFilter { names: vec![name], patterns: Vec::new() }
    }
}
