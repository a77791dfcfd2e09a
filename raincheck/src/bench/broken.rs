//! A measure that is void.

use crate::cli::exit::{Exit, Failure};

/// Something about the load itself went wrong: a figure would be a lie.
pub fn broken(what: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("the measure is void: {what}"))
}
