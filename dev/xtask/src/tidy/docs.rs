//! Rules for documents: links between them and files that they name are there, and every problem has a page and every page a problem.

use super::file::File;

const PROBLEMS: &str = "raincheck-http/src/problem.rs";
const PAGES: &str = "docs/errors/";

pub fn links(files: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.ends(".md")) {
        for (number, target) in targets(&file.text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { file.path.clone() } else { resolve(&file.path, path) };
            let found = files.iter().find(|other| other.path == path);
            let folder = files.iter().any(|other| other.path.starts_with(&format!("{path}/")));
            if found.is_none() && !folder {
                complaints.push(format!("{}:{number}: link to `{target}`: there is no {path}", file.path));
            } else if let Some(other) = found.filter(|other| !anchor.is_empty() && !has_heading(&other.text, anchor)) {
                complaints.push(format!(
                    "{}:{number}: link to `{target}`: no heading `{anchor}` in {}",
                    file.path, other.path
                ));
            }
        }
    }
    complaints
}

/// Files of the code that documents name in full are there.
pub fn paths(files: &[File]) -> Vec<String> {
    let tops: Vec<&str> = files.iter().filter_map(|file| file.path.strip_suffix("/src/lib.rs")).collect();
    let mut complaints = Vec::new();
    for file in files.iter().filter(|file| file.ends(".md")) {
        for (number, line) in file.lines() {
            let named = line.split('`').skip(1).step_by(2).filter(|code| code.ends_with(".rs"));
            let in_full =
                |path: &&str| tops.iter().any(|top| path.strip_prefix(top).is_some_and(|it| it.starts_with('/')));
            for path in named.filter(in_full).filter(|path| files.iter().all(|other| other.path != **path)) {
                complaints.push(format!("{}:{number}: there is no {path}", file.path));
            }
        }
    }
    complaints
}

/// A row looks like `slug: "not-found"`. While there is no table, pages can't be judged.
pub fn problems(files: &[File]) -> Vec<String> {
    let Some(table) = files.iter().find(|file| file.path == PROBLEMS) else {
        return Vec::new();
    };
    let slugs: Vec<&str> = table.code().flat_map(|(_, line)| slugs(line)).collect();
    if slugs.is_empty() {
        return vec![format!("{PROBLEMS}: no rows found; write each as `slug: \"not-found\"`")];
    }
    let pages: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix(PAGES)?.strip_suffix(".md"))
        .filter(|page| *page != "README")
        .collect();
    let bare = slugs.iter().filter(|slug| !pages.contains(slug));
    let stale = pages.iter().filter(|page| !slugs.contains(page));
    let bare = bare.map(|slug| format!("{PROBLEMS}: `{slug}` has no page; write {PAGES}{slug}.md"));
    bare.chain(stale.map(|page| format!("{PAGES}{page}.md: no such row in {PROBLEMS}; add the row or delete the page")))
        .collect()
}

fn slugs(line: &str) -> impl Iterator<Item = &str> {
    line.split("slug: \"").skip(1).filter_map(|rest| rest.split('"').next())
}

/// Targets of links within the repository, with their line; code is left out.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        // Every second piece between backticks is code.
        for piece in line.split('`').step_by(2).flat_map(|piece| piece.split("](").skip(1)) {
            let target = piece.split([')', ' ']).next().unwrap_or_default();
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push((index + 1, target));
            }
        }
    }
    found
}

/// `target` as seen from the file at `from`.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Headings are linked by their words in lower case with hyphens between.
fn has_heading(text: &str, anchor: &str) -> bool {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|words| words.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-"))
        .any(|slug| slug == anchor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::file::file;

    #[test]
    fn links_resolve_or_are_named() {
        let other = file("docs/b.md", "# Two words, `code`\n");
        let good = "[a](b.md) [b](./b.md#two-words-code) [c](../docs) [d](https://example.com) [e](#here)\n# Here\n`[x](no.md)`\n```\n[y](no.md)\n```\n";
        assert_eq!(links(&[file("docs/a.md", good), other]), Vec::<String>::new());
        let other = file("docs/b.md", "# Two\n");
        assert_eq!(links(&[file("docs/a.md", "[a](c.md) [b](b.md#three)"), other]).len(), 2);
    }

    #[test]
    fn a_file_that_is_named_and_not_there_is_found() {
        let named =
            |path: &str| [file("one/src/lib.rs", ""), file("A.md", &format!("See `{path}`, `b.rs` and `x/y.rs`."))];
        assert_eq!(paths(&named("one/src/lib.rs")), Vec::<String>::new());
        assert_eq!(paths(&named("one/src/gone.rs")), ["A.md:1: there is no one/src/gone.rs"]);
    }

    #[test]
    fn rows_and_pages_belong_together() {
        let table = || file(PROBLEMS, "Row { slug: \"not-found\", status: 404 },\n");
        assert!(
            problems(&[table(), file("docs/errors/not-found.md", ""), file("docs/errors/README.md", "")]).is_empty()
        );
        assert_eq!(problems(&[table()]).len(), 1);
        assert_eq!(problems(&[table(), file("docs/errors/not-found.md", ""), file("docs/errors/old.md", "")]).len(), 1);
        assert!(problems(&[file("docs/errors/old.md", "")]).is_empty());
        assert_eq!(problems(&[file(PROBLEMS, "no rows")]).len(), 1);
    }
}
