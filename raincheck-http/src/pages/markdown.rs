use super::{UP, escape, page};

/// The page of a problem, from its Markdown: headings, paragraphs, lists, fenced code and code spans, which is
/// all those pages use.
pub fn problem(markdown: &str) -> String {
    let (mut body, mut items) = (String::new(), String::new());
    let title = markdown.lines().find_map(|l| l.strip_prefix("# ")).unwrap_or("Problem");
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with("- ") {
            close(&mut body, &mut items);
        }
        if line.starts_with("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|l| !l.starts_with("```")).collect();
            body.push_str(&format!("<pre>{}</pre>", escape(&code.join("\n"))));
        } else if let Some(text) = line.strip_prefix("## ") {
            body.push_str(&format!("<h2>{}</h2>", spans(text)));
        } else if let Some(text) = line.strip_prefix("# ") {
            body.push_str(&format!("<h1>{}</h1>", spans(text)));
        } else if !line.trim().is_empty() {
            let item = line.strip_prefix("- ");
            let mut text = item.unwrap_or(line).to_owned();
            let goes_on = |next: &&str| !next.trim().is_empty() && !next.starts_with(['#', '-', '`', '|']);
            while let Some(next) = lines.next_if(goes_on) {
                text.push(' ');
                text.push_str(next.trim());
            }
            match item {
                Some(_) => items.push_str(&format!("<li>{}</li>", spans(&text))),
                None => body.push_str(&format!("<p>{}</p>", spans(&text))),
            }
        }
    }
    close(&mut body, &mut items);
    page(UP, title, "", &body)
}

/// Ends a list, where there is one.
fn close(body: &mut String, items: &mut String) {
    if !items.is_empty() {
        body.push_str(&format!("<ul>{items}</ul>"));
        items.clear();
    }
}

/// Code spans and the bare text of links; everything else as text.
fn spans(text: &str) -> String {
    let mut out = String::new();
    for (n, part) in text.split('`').enumerate() {
        let part = escape(part);
        if n % 2 == 1 {
            out.push_str(&format!("<code>{part}</code>"));
        } else {
            out.push_str(&links(&part).replace("**", ""));
        }
    }
    out
}

/// `[text](target)` becomes its text: targets are paths of the repository, not of this server.
fn links(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((label, tail)) = after.split_once("](") else { break };
        let Some((_, tail)) = tail.split_once(')') else { break };
        out.push_str(before);
        out.push_str(label);
        rest = tail;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_problem_pages_use_is_rendered_and_the_rest_is_text() {
        let html = problem(
            "# Queue *full*\n\nA `503`\nwith <b>.\n\n- see [docs](../http.md)\n- two\n\n```json\n{\"a\":1}\n```\n",
        );
        for part in [
            "<h1>Queue *full*</h1>",
            "<p>A <code>503</code> with &lt;b&gt;.</p>",
            "</p><ul><li>see docs</li><li>two</li></ul><pre>",
            "<pre>{&quot;a&quot;:1}</pre>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }
}
