//! Colors and marks on a terminal; nothing of it in a pipe, or where `NO_COLOR` is set.

use std::{
    fmt,
    io::{IsTerminal as _, stderr, stdout},
};

use raincheck_client::State;

/// Where text goes, and so whether it may be colored.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    colors: bool,
    terminal: bool,
}

/// A color or weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is what its name says")]
pub enum Ink {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Blue,
}

impl Style {
    /// Of standard output.
    pub fn stdout() -> Self {
        Self::of(stdout().is_terminal())
    }

    /// Of standard error.
    pub fn stderr() -> Self {
        Self::of(stderr().is_terminal())
    }

    /// Neither colors nor anything that moves.
    pub fn plain() -> Self {
        Self { colors: false, terminal: false }
    }

    fn of(terminal: bool) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colors: terminal && !dumb && !set("NO_COLOR"), terminal: terminal && !dumb }
    }

    /// Whether a person looks at it.
    pub fn is_terminal(self) -> bool {
        self.terminal
    }

    /// `text` in this ink.
    pub fn paint(self, ink: Ink, text: impl fmt::Display) -> String {
        let code = match ink {
            Ink::Bold => 1,
            Ink::Dim => 2,
            Ink::Red => 31,
            Ink::Green => 32,
            Ink::Yellow => 33,
            Ink::Blue => 34,
        };
        if self.colors { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }

    /// A state in its color.
    pub fn state(self, state: State) -> String {
        self.paint(state_ink(state), state.as_str())
    }
}

/// The color of a state.
pub fn state_ink(state: State) -> Ink {
    match state {
        State::Succeeded => Ink::Green,
        State::Failed => Ink::Red,
        State::Canceled => Ink::Yellow,
        State::Running => Ink::Blue,
        _ => Ink::Dim,
    }
}

/// Text of strangers (labels, messages, errors) without the characters that would drive a terminal: controls, and marks
/// of direction.
pub fn tame(text: &str) -> String {
    let drives = |c: char| (c.is_control() && c != '\n' && c != '\t') || is_direction(c);
    text.chars().map(|c| if drives(c) { '\u{fffd}' } else { c }).collect()
}

/// Whether it changes the direction of what stands around it, or breaks the line: what is read is then not what is
/// written. Those are the characters of Unicode's property Bidi_Control, and its separators of lines.
pub fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text that may hold colors of ours, without marks of direction.
pub fn direction(text: &str) -> String {
    text.chars().map(|c| if is_direction(c) { '\u{fffd}' } else { c }).collect()
}

/// JSON without them, either: a character there may as well be written as its number, and can only stand in a text.
pub fn tame_json(json: &str) -> String {
    let drives = |c: char| (c.is_control() && !c.is_ascii_whitespace()) || is_direction(c);
    json.chars().fold(String::with_capacity(json.len()), |mut tamed, c| {
        if drives(c) {
            tamed.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            tamed.push(c);
        }
        tamed
    })
}

/// As [`tame`], on one line and at most `width` characters long.
pub fn one_line(text: &str, width: usize) -> String {
    let text = tame(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_drive_the_terminal() {
        assert_eq!(tame("a\x1b[2Jb\u{9b}c"), "a\u{fffd}[2Jb\u{fffd}c");
        for mark in ["\u{202e}", "\u{2066}", "\u{200f}", "\u{61c}", "\u{2028}"] {
            assert_eq!(tame(&format!("a{mark}b\n")), "a\u{fffd}b\n");
            assert_eq!(direction(&format!("\x1b[1ma{mark}b")), "\x1b[1ma\u{fffd}b");
        }
        let (json, text) = ("[ \"a\u{202e}\u{9b}\u{7f}é\"\n]", "[ \"a\\u202e\\u009b\\u007fé\"\n]");
        assert_eq!(tame_json(json), text);
        let meant = |json| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(meant(json), meant(text));
        assert_eq!(one_line("a\n  b\r\nc", 10), "a b c");
        assert_eq!(one_line("abcdef", 4), "abc…");
    }

    #[test]
    fn plain_is_plain() {
        assert_eq!(Style::plain().paint(Ink::Red, "x"), "x");
    }
}
