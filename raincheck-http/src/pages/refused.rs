use super::{HERE, UP, escape, page};
use crate::problem::Problem;

/// Most floors below the start page from which a page leads back to it.
pub const DEEPEST: usize = 16;

/// What a person gets to see instead of a problem's JSON, `depth` floors below the start page.
pub fn refused(problem: &Problem, depth: usize) -> String {
    let root = if depth == 0 { HERE.to_owned() } else { UP.repeat(depth) };
    let row = problem.row();
    let mut body = format!("<h1>{}</h1>", escape(row.title));
    if let Some(detail) = problem.said() {
        body.push_str(&format!("<p>{}</p>", escape(detail)));
    }
    let errors: String = problem
        .violations()
        .iter()
        .map(|error| format!("<li><code>{}</code> {}</li>", escape(&error.pointer), escape(&error.detail)))
        .collect();
    if !errors.is_empty() {
        body.push_str(&format!("<ul>{errors}</ul>"));
    }
    body.push_str(&format!(
        "<p><a href=\"{root}problems/{}\">What this means</a>, status {}. <a href=\"{root}\">To the start page</a></p>",
        row.slug, row.status
    ));
    page(&root, row.title, "", &body)
}
