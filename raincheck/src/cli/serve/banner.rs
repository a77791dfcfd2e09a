//! The first words of a server: a few aligned lines for people, one JSON line for programs.

use super::Server;
use crate::{
    cli::{
        stderr,
        style::{Ink, Style},
    },
    config::Config,
};

/// Says on standard error that the server is ready, and where.
pub fn show(server: &Server, config: &Config, ephemeral: bool, for_people: bool) {
    let url = config.settings.server.public_url.clone().unwrap_or_else(|| server.url());
    if !for_people {
        let mut ready = serde_json::Map::new();
        for (name, value) in [
            ("level", "info"),
            ("msg", "ready"),
            ("url", &server.url()),
            ("version", env!("CARGO_PKG_VERSION")),
            ("store", &config.settings.store.url.to_string()),
        ] {
            ready.insert(name.to_owned(), value.into());
        }
        ready.insert("pid".to_owned(), std::process::id().into());
        ready.insert("time".to_owned(), jiff::Timestamp::now().to_string().into());
        stderr::say(&serde_json::Value::Object(ready).to_string());
        return;
    }
    let style = Style::stderr();
    stderr::say(&style.paint(Ink::Bold, format!("Raincheck {}", env!("CARGO_PKG_VERSION"))));
    for (name, value) in lines(server, config, &url, ephemeral) {
        stderr::say(&format!("  {}  {value}", style.paint(Ink::Dim, format!("{name:10}"))));
    }
}

fn lines(server: &Server, config: &Config, url: &str, ephemeral: bool) -> Vec<(&'static str, String)> {
    let guarded = server.is_guarded();
    let auth = if guarded { "bearer token; probes need none" } else { "none, so this machine only" };
    let file = config.file.as_ref().map(|file| file.display().to_string());
    let kinds: Vec<String> = config
        .settings
        .kinds
        .iter()
        .map(|(kind, settings)| {
            if settings.run.is_empty() {
                kind.clone()
            } else {
                format!("{kind} ({} here)", settings.workers.unwrap_or(1))
            }
        })
        .collect();
    let kinds = if kinds.is_empty() {
        "any; workers lease them, for example `raincheck work --kind …`".to_owned()
    } else {
        kinds.join(", ")
    };
    let token = if guarded { " -H \"Authorization: Bearer $RAINCHECK_ADMIN_TOKEN\"" } else { "" };
    vec![
        ("Start page", format!("{url}/")),
        ("API", format!("{url}/jobs")),
        ("Docs", format!("{url}/docs")),
        ("Metrics", format!("{url}/metrics")),
        ("Storage", format!("{}{}", config.settings.store.url, if ephemeral { " (removed at the end)" } else { "" })),
        ("Auth", auth.to_owned()),
        ("Config", file.unwrap_or_else(|| "none (`raincheck config init` writes one)".to_owned())),
        ("Kinds", kinds),
        ("Try", format!("curl --json '{{\"kind\":\"hello\",\"input\":\"world\"}}'{token} {url}/jobs")),
    ]
}
