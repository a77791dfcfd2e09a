//! Pages for people: plain HTML that works without a script, one small script where a page is live.
//!
//! Pure functions from values to text; handlers fetch the values and answer with [`CSP`].

mod job;
mod markdown;
mod refused;
mod start;

pub use job::{JobPage, job};
pub use markdown::problem;
pub use refused::{DEEPEST, refused};
pub use start::start;

use std::fmt::Write;

/// The policy every page is served with: nothing inline, nothing from elsewhere, no framing.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// The style of all pages, served at `/assets/raincheck.css`.
pub const STYLE: &str = include_str!("raincheck.css");
/// The sign of all pages, served at `/assets/icon.svg`.
pub const ICON: &str = include_str!("icon.svg");
/// The script of a job's page, served at `/assets/job.js`.
pub const JOB_SCRIPT: &str = include_str!("job.js");
/// The script of the API's page, served at `/assets/api.js`.
pub const API_SCRIPT: &str = include_str!("api.js");

/// Writes `text` so that it is shown as text, in an element or in a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Direction overrides and controls could make text look like what it is not.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// How a page that lies one floor below the start page comes to it. Links between pages are relative, so that they hold
/// below any prefix that a proxy puts before them.
const UP: &str = "../";
/// The same of a page beside it.
const HERE: &str = "./";

/// A whole page around `body`; `root` leads to the start page.
fn page(root: &str, title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{} · Raincheck</title><link rel=\"icon\" href=\"{root}assets/icon.svg\"><link rel=\"stylesheet\" href=\"{root}assets/raincheck.css\">{head}</head>\n\
         <body><header><a class=\"home\" href=\"{root}\">Raincheck</a><nav><a href=\"{root}docs\">API</a> <a href=\"{root}metrics\">Metrics</a></nav></header>\n\
         <main>{body}</main></body></html>\n",
        escape(title)
    )
}

/// The page of the API: lists what `/openapi.json` says, nothing loaded from outside.
pub fn api() -> String {
    page(
        HERE,
        "API",
        "<script src=\"assets/api.js\" defer></script>",
        "<h1>API</h1><p>Generated from the code; the whole document is <a href=\"openapi.json\">/openapi.json</a> (OpenAPI 3.1).</p>\
         <div id=\"operations\"><noscript><p>This list needs a script; the document above does not.</p></noscript></div>",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_as_text() {
        let shown = escape("<script>alert('x')</script>&\"\u{202e}\u{0}");
        assert_eq!(shown, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;\\u{202e}\u{fffd}");
        let whole = page(HERE, "<b>", "", "");
        assert!(whole.contains("&lt;b&gt; · Raincheck") && !whole.contains("<b>"));
        assert!(!whole.contains("style=") && !whole.contains("onclick"));
    }
}
