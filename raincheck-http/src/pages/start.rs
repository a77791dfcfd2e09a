use std::fmt::Write;

use raincheck_core::State;
use raincheck_store::{Record, Stats};

use super::{HERE, escape, page};

/// The start page: what waits and runs in each queue, and the latest jobs; with no jobs yet, how to make one.
/// `base` is the server's URL as the reader knows it.
pub fn start(stats: &Stats, latest: &[Record], base: &str) -> String {
    let mut body = String::from("<h1>Jobs</h1>");
    if latest.is_empty() {
        let _ = write!(
            body,
            "<p>Nothing was submitted yet. Try this:</p><pre>curl -i {base}/jobs -H 'Content-Type: application/json' \
             -d '{{\"kind\":\"hello\",\"input\":{{\"name\":\"Ada\"}}}}'</pre>\
             <p>The answer is 202 with a <code>Location</code>: the handle. Open it here to watch the job.</p>",
            base = escape(base)
        );
        return page(HERE, "Start", "", &body);
    }
    body.push_str("<h2>Queues</h2><div class=\"scroll\"><table><thead><tr><th>Queue</th>");
    for state in State::ALL {
        let _ = write!(body, "<th class=\"n\">{}</th>", state.as_str());
    }
    body.push_str("</tr></thead><tbody>");
    for queue in &stats.queues {
        let name = queue.name.as_ref().map_or("", |n| n.as_str());
        let paused = if queue.settings.paused { " <span class=\"state paused\">paused</span>" } else { "" };
        let _ = write!(body, "<tr><td>{}{paused}</td>", clipped(name));
        for n in queue.by_state {
            let _ = write!(body, "<td class=\"n\">{n}</td>");
        }
        body.push_str("</tr>");
    }
    body.push_str("</tbody></table></div><h2>Latest</h2><div class=\"scroll\"><table><thead><tr><th>State</th><th>Job</th><th>Kind</th><th>Queue</th><th class=\"n\">Attempt</th></tr></thead><tbody>");
    for record in latest {
        let job = &record.job;
        let label = record.spec.label.as_deref().map_or_else(|| clipped(&job.id.to_string()), clipped);
        let _ = write!(
            body,
            "<tr><td><span class=\"state {state}\">{state}</span></td><td><a href=\"jobs/{id}\">{}</a></td><td>{}</td><td>{}</td><td class=\"n\">{}</td></tr>",
            label,
            clipped(job.kind.as_str()),
            clipped(job.queue.as_str()),
            job.attempt,
            id = job.id,
            state = job.state.as_str(),
        );
    }
    body.push_str("</tbody></table></div>");
    page(HERE, "Jobs", "", &body)
}

/// A name in a table, of which a long one leaves the other columns their room; the whole of it is its title.
fn clipped(name: &str) -> String {
    let name = escape(name);
    format!("<span class=\"name\" title=\"{name}\">{name}</span>")
}
