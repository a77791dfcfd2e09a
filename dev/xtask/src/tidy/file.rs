//! A text file of the repository, as the rules see it.

/// A text file of the repository, with its path from the root, `/` between the parts.
pub struct File {
    pub path: String,
    pub text: String,
}

impl File {
    pub fn ends(&self, suffix: &str) -> bool {
        self.path.ends_with(suffix)
    }

    /// Lines with their numbers from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Lines without those that are only a comment.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// True if `word` stands in `line` with no letter, digit or underscore at either side.
pub fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    })
}

#[cfg(test)]
pub fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_where_identifiers_end() {
        assert!(has_word("use tokio::spawn;", "tokio"));
        assert!(!has_word("let tokio_like = 1;", "tokio"));
    }
}
