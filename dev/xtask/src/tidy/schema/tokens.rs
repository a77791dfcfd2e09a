//! SQL, word by word.

#[derive(Clone, Debug, PartialEq)]
pub enum Token<'t> {
    /// A keyword has capitals.
    Keyword(&'t str),
    Name(&'t str),
    /// What is put in when the program runs: `{}` or `{table}`.
    Hole,
    Open,
    Close,
    Mark(char),
}

/// Literals within it, and what its parameters and numbers are, is left out.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match c {
            '\'' => rest[1..].find('\'').map_or(rest.len(), |end| end + 2),
            '{' => rest.find('}').map_or(rest.len(), |end| end + 1),
            '$' | ':' | '?' if rest[1..].starts_with(is_word) => {
                1 + rest[1..].find(|c| !is_word(c)).unwrap_or(rest.len() - 1)
            }
            // A type: `::bigint`.
            ':' if rest.starts_with("::") => 2 + rest[2..].find(|c| !is_word(c)).unwrap_or(rest.len() - 2),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let word = &rest[..length];
        match c {
            '\'' | '$' | ':' => {}
            '{' if length > 1 => found.push(Token::Hole),
            '(' => found.push(Token::Open),
            ')' => found.push(Token::Close),
            c if c.is_ascii_digit() || c.is_whitespace() => {}
            c if c.is_uppercase() => found.push(Token::Keyword(word)),
            c if is_word(c) => found.push(Token::Name(word)),
            c => found.push(Token::Mark(c)),
        }
        rest = &rest[length..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::Token::*;
    use super::*;

    #[test]
    fn what_is_no_name_is_told_apart() {
        assert_eq!(
            tokens("SELECT j.no, 'a b' FROM {table} WHERE x=$1::bigint AND y = :now"),
            [
                Keyword("SELECT"),
                Name("j"),
                Mark('.'),
                Name("no"),
                Mark(','),
                Keyword("FROM"),
                Hole,
                Keyword("WHERE"),
                Name("x"),
                Mark('='),
                Keyword("AND"),
                Name("y"),
                Mark('='),
            ]
        );
    }
}
