//! Texts of others, cut to what is kept of them.

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
