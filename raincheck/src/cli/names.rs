//! Names on the command line, held to what the server takes: a misspelled one is a fault of usage, not something missing.

use raincheck_core::{Name, NameError, NameFilter, NameFilterError, State};

/// The name of a queue, a kind or a reader.
///
/// # Errors
/// What is wrong with it.
pub fn name(text: &str) -> Result<String, NameError> {
    Name::new(text).map(|name| name.to_string())
}

/// Names of queues or kinds and patterns of them, with commas between them.
///
/// # Errors
/// What is wrong with them.
pub fn names(text: &str) -> Result<String, NameFilterError> {
    NameFilter::parse(text).map(|_| text.to_owned())
}

/// A state of jobs, or several with commas between them.
///
/// # Errors
/// Which ones there are.
pub fn states(text: &str) -> Result<String, String> {
    match text.split(',').all(|word| State::from_word(word).is_some()) {
        true => Ok(text.to_owned()),
        false => Err(format!("the states are {}", State::ALL.map(State::as_str).join(", "))),
    }
}
