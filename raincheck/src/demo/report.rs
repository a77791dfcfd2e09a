//! What the demo says when the jobs are done: their results, and how to go on.

use std::path::{Path, PathBuf};

use raincheck_client::{Client, Job};

use super::inputs::Work;
use crate::cli::{
    exit::{Exit, Failure},
    print,
    style::{Ink, Style, one_line, tame},
    when,
};

/// Shows each result; what is no JSON is saved in the folder.
///
/// # Errors
/// What the server refuses.
pub async fn results(client: &Client, jobs: &[Job], work: &[Work], folder: &Path) -> Result<(), Failure> {
    let style = Style::stdout();
    print(&format!("{}\n", style.paint(Ink::Bold, "Results")))?;
    for (job, work) in jobs.iter().zip(work) {
        let took =
            when::between(job.started_at.as_deref(), job.finished_at.as_deref()).map(when::short).unwrap_or_default();
        let mark =
            if Exit::of(job) == Exit::Done { style.paint(Ink::Green, "✔") } else { style.paint(Ink::Red, "✘") };
        let what = match Exit::of(job) {
            Exit::Done => result(client, job, work, folder).await?,
            _ => job.error.as_ref().map_or_else(|| job.state.to_string(), |error| tame(&error.to_string())),
        };
        let label = style.paint(Ink::Dim, format!("{:20}", one_line(&work.label, 20)));
        print(&format!("{mark} {:16} {label} {what}  {}\n", job.kind, style.paint(Ink::Dim, took)))?;
    }
    print("\n")
}

async fn result(client: &Client, job: &Job, work: &Work, folder: &Path) -> Result<String, Failure> {
    let Some(result) = &job.result else { return Ok("done".to_owned()) };
    if let Some(value) = &result.value {
        return Ok(one_line(value.get(), 400));
    }
    let name = result.filename.as_deref().and_then(|name| name.rsplit(['/', '\\']).next()).unwrap_or(&job.id);
    let path = folder.join("results").join(name);
    let mut file = tokio::fs::File::create(&path).await?;
    client.result(&job.id, &mut file).await?;
    let before = work.input.as_ref().and_then(|input| input.metadata().ok()).map(|file| when::bytes(file.len()));
    let after = when::bytes(result.size.unwrap_or(0));
    Ok(format!("{} → {after}  {}", before.unwrap_or_default(), from_here(&path).display()))
}

/// Prints where to look and what to try next.
///
/// # Errors
/// When standard output can't be written.
pub fn links(url: &str, work: &[Work]) -> Result<(), Failure> {
    let style = Style::stdout();
    let clip = work.iter().find(|work| work.kind == "video.compress").and_then(|work| work.input.as_deref());
    let server = if url.ends_with(":8202") { String::new() } else { format!(" --server {url}") };
    let mut text = format!(
        "{}\n  Start page  {url}/\n  API         {url}/jobs\n  Docs        {url}/docs\n\n{}\n",
        style.paint(Ink::Bold, "It stays up until Ctrl-C:"),
        style.paint(Ink::Bold, "Go on with"),
    );
    let mut add = |line: &str| {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    };
    add(&format!("curl -i --data-binary 'to be or not to be' -H 'Content-Type: text/plain' {url}/kinds/text.wc/jobs"));
    add(&format!("curl -i --json '{{\"kind\":\"tree.sha256\"}}' -H 'Prefer: wait=10' {url}/jobs"));
    if let Some(clip) = clip {
        let clip = from_here(clip);
        add(&format!(
            "curl -i --data-binary @{} -H 'Content-Type: video/x-msvideo' {url}/kinds/video.compress/jobs",
            clip.display()
        ));
        add(&format!("raincheck submit video.compress --file {} --wait{server}", clip.display()));
    }
    add(&format!("curl -N {url}/events -H 'Accept: text/event-stream'     # everything that happens, live"));
    add(&format!("raincheck list{server}"));
    print(&text)
}

/// A path as the person sees it: from here where it is below.
fn from_here(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).map(|below| Path::new(".").join(below)).unwrap_or_else(|_| path.to_path_buf())
}
