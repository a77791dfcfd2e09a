//! What is typed, and what is shown of what strangers wrote.

use clap::Parser as _;
use raincheck_fuzz::{check, texts};

use super::{Cli, ids, style, when};

#[test]
fn command_line() {
    let samples = [
        "serve --listen 127.0.0.1:0 --data x --log-level debug",
        "submit video.compress --input @clip.mp4 --tag a=b --priority 3 --delay 10m --wait",
        "work --kind k --slots 4 --retry-exit-code 75 -- ./x.sh --flag",
        "list --state failed --tag a=b --limit 10",
        "events --after 0 --follow",
        "queue pause media",
        "result 01a1fd23-8ee3-7000-8398-19e845bebfe0 -o -",
        "config show --origin",
        "completion bash",
    ];
    check(texts(&samples), |line| {
        let words = std::iter::once("raincheck").chain(line.split(' ').filter(|word| !word.is_empty()));
        if let Err(error) = Cli::try_parse_from(words) {
            assert!(matches!(error.exit_code(), 0 | 2), "{line:?}: {error}");
            assert!(!error.to_string().is_empty());
        }
    });
}

#[test]
fn handle() {
    check(texts(&["x-1", "http://h:1/jobs/x-1", "http://h/p/jobs/x-1/events?after=0#x", "/jobs/", "jobs/x"]), |text| {
        let id = ids::bare(&text);
        assert!(!id.contains(['/', '?', '#']), "{text:?} is {id:?}");
        assert_eq!(ids::bare(&id), id);
        if id != "jobs" {
            assert_eq!(ids::bare(&format!("http://h/jobs/{id}/result?x=1")), id);
        }
    });
}

#[test]
fn shown_text() {
    check(
        texts(&["a\u{1b}[31mred\u{7}", "two\nlines\tand a tab", "2026-11-21T08:00:00Z", "9999-12-30T22:00:00Z"]),
        |text| {
            let drives = |c: char| c.is_control() && c != '\n' && c != '\t';
            assert!(!style::tame(&text).contains(drives), "{text:?}");
            for width in [0, 1, 20] {
                let line = style::one_line(&text, width);
                assert!(
                    !line.contains(char::is_control) && line.chars().count() <= width.max(1),
                    "{text:?} is {line:?}"
                );
            }
            assert!(when::ago(&text).len() >= text.len().min(1));
            when::between(Some(&text), Some("2026-11-21T08:00:00Z"));
        },
    );
}
