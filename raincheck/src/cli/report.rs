use std::process::ExitCode;

use super::{
    bars::say,
    exit::Failure,
    style::{Ink, Style, tame},
};

/// Says on standard error what went wrong, and what to do next.
pub fn report(failure: &Failure) -> ExitCode {
    let style = Style::stderr();
    say(&format!("{} {}", style.paint(Ink::Red, "error:"), tame(&failure.message)));
    if let Some(next) = &failure.next {
        say(&format!("{} {}", style.paint(Ink::Bold, "next:"), tame(next)));
    }
    failure.exit.into()
}
