//! The picture of the crates in the documentation is that of the code.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::file::File;
use crate::graph::{Arrows, picture};

const PAGE: &str = "docs/README.md";
const BEGIN: &str = "```mermaid\n";
const END: &str = "```\n";

/// That the page does not show what is.
pub fn complaints(files: &[File], arrows: &Arrows) -> Vec<String> {
    let page = files.iter().find(|file| file.path == PAGE).map(|file| file.text.as_str());
    match page.and_then(split) {
        Some((_, shown, _)) if shown == picture(arrows) => Vec::new(),
        Some(_) => {
            vec![format!("{PAGE}: the picture of the crates is out of date; `cargo xtask tidy --graph --write`")]
        }
        None => vec![format!("{PAGE}: has no picture of the crates, in a block of `mermaid`")],
    }
}

/// Puts the picture of what is into the page.
pub fn write(root: &Path, arrows: &Arrows) -> Result<()> {
    let path = root.join(PAGE);
    let text = fs::read_to_string(&path)?;
    let (before, _, after) = split(&text).with_context(|| format!("{PAGE} has no block of `mermaid`"))?;
    Ok(fs::write(path, format!("{before}{}{after}", picture(arrows)))?)
}

/// What stands before the picture, it, and what stands after it.
fn split(page: &str) -> Option<(&str, &str, &str)> {
    let start = page.find(BEGIN)? + BEGIN.len();
    let end = start + page[start..].find(END)?;
    Some((&page[..start], &page[start..end], &page[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file::file;

    #[test]
    fn a_picture_that_is_not_of_the_code_is_found() {
        let found = |text: &str| complaints(&[file(PAGE, text)], &Arrows::new()).len();
        assert_eq!(found(&format!("# A\n{BEGIN}{}{END}b\n", picture(&Arrows::new()))), 0);
        assert_eq!(found(&format!("# A\n{BEGIN}flowchart TD\n  old\n{END}b\n")), 1);
        assert_eq!(found("# A\n"), 1);
    }
}
