//! What a disk changed or lost is said by `raincheck doctor` and by the server that starts on it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use super::{Cli, Said, Worker, command, said};
use crate::server::{Server, until};

fn doctor(folder: &Path, more: &[&str]) -> Said {
    said(command(folder, &[&["doctor", "--data", "data"], more].concat()), None)
}

/// The only file of a large payload.
fn payload(folder: &Path) -> std::path::PathBuf {
    let shards = std::fs::read_dir(folder.join("data/blobs")).unwrap().map(|shard| shard.unwrap().path());
    let files = shards.filter(|shard| shard.is_dir()).flat_map(|shard| std::fs::read_dir(shard).unwrap());
    files.map(|file| file.unwrap().path()).next().unwrap()
}

#[test]
fn an_input_or_result_of_the_same_size_that_is_another_is_found() {
    for (content_type, text) in
        [("text/plain", "x".repeat(100_000)), ("application/json", format!("\"{}\"", "x".repeat(100_000)))]
    {
        let mut cli = Cli::new();
        let large = cli.folder.path().join("large");
        std::fs::write(&large, text).unwrap();
        let large = large.display().to_string();
        let submit = if content_type == "text/plain" { vec!["--file", &large] } else { vec!["@large"] };
        cli.run(&[&["submit", "k"], &submit[..]].concat()).well();
        cli.server.terminate();
        assert_eq!(doctor(cli.folder.path(), &[]).code, 0);
        let file = payload(cli.folder.path());
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[50_000] ^= 1;
        std::fs::write(file, bytes).unwrap();
        let out = doctor(cli.folder.path(), &[]).with(1).out;
        assert!(out.contains("is not what was written"), "{content_type}: {out}");
        doctor(cli.folder.path(), &["--quick"]).well();
    }
}

#[tokio::test]
async fn events_that_the_disk_lost_are_missed_by_doctor_server_and_metrics() {
    let mut cli = Cli::new();
    cli.run(&["submit", "k", "1"]).well();
    cli.server.terminate();
    let data = cli.folder.path().join("data");
    std::fs::copy(data.join("raincheck.db"), cli.folder.path().join("before")).unwrap();
    cli.server = Server::start(cli.folder.path(), &[]);
    for number in 0..9 {
        cli.run(&["submit", "k", &number.to_string()]).well();
    }
    let mark = data.join("raincheck.mark");
    let events = cli.run(&["events"]).well().lines().count();
    let patience = std::time::Duration::from_secs(20);
    until("the mark follows", patience, async || {
        std::fs::read_to_string(&mark).unwrap().contains(&format!("head {events:019} "))
    })
    .await;
    cli.server.kill();
    // The log goes, and the disk never had what was folded in.
    std::fs::remove_file(data.join("raincheck.db-wal")).unwrap();
    std::fs::remove_file(data.join("raincheck.db-shm")).unwrap();
    std::fs::copy(cli.folder.path().join("before"), data.join("raincheck.db")).unwrap();
    let out = doctor(cli.folder.path(), &[]).with(1).out;
    let missing = format!("events 2 to {events} were acknowledged and are missing");
    assert!(out.contains(&missing) && out.contains("acknowledged") && out.contains("raincheck.mark"), "{out}");

    let mut serve = command(cli.folder.path(), &["serve", "--listen", "127.0.0.1:0", "--data", "data"]);
    let mut server = Worker(serve.spawn().unwrap());
    let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let (mut reported, mut url) = (false, None);
    while url.is_none() {
        let line: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap_or_default();
        reported |= line.to_string().contains("acknowledged are missing") && line["to"] == events;
        url = line["url"].as_str().filter(|_| line["msg"] == "ready").map(str::to_owned);
    }
    assert!(reported, "the server says so when it starts");
    std::thread::spawn(move || lines.for_each(drop));
    let metrics =
        reqwest::get(format!("{}/metrics", url.unwrap().trim_end_matches('/'))).await.unwrap().text().await.unwrap();
    assert!(metrics.contains(&format!("raincheck_missing_events {}", events - 1)), "{metrics}");
}

#[test]
fn a_file_that_is_no_database_any_more_is_something_wrong() {
    let mut cli = Cli::new();
    cli.server.terminate();
    let path = cli.folder.path().join("data/raincheck.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..100].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let err = doctor(cli.folder.path(), &[]).with(1).err;
    assert!(err.contains("raincheck.db") && err.contains("backup"), "{err}");
}
