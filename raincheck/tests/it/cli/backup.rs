//! `raincheck backup` beside a server under load, and a server started on what it made.

use std::path::Path;

use super::{Cli, Said, command, said};
use crate::server::Server;

fn backup(folder: &Path, to: &str) -> Said {
    said(command(folder, &["backup", to, "--data", "data", "-o", "json"]), None)
}

#[test]
fn a_server_starts_on_a_backup_made_under_load() {
    let mut cli = Cli::new();
    let large: Vec<u8> = (0..100_000u32).map(|number| number as u8).collect();
    let before: Vec<String> = (0..8).map(|_| cli.feed(&["submit", "k", "--file", "-"], &large).well()).collect();
    let url = cli.server.url.clone();
    let load = std::thread::spawn({
        let folder = cli.folder.path().to_owned();
        move || {
            for number in 0..40 {
                let submit = ["submit", "k", &number.to_string(), "--server", &url, "--key", &number.to_string()];
                said(command(&folder, &submit), None).well();
            }
        }
    });
    let made = backup(cli.folder.path(), "copied").with(0);
    let made: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    assert_eq!((&made["files"], &made["file_bytes"]), (&8.into(), &800_000.into()), "{made:#}");
    load.join().unwrap();
    said(command(cli.folder.path(), &["doctor", "--data", "copied"]), None).well();

    cli.server.kill();
    std::fs::create_dir(cli.folder.path().join("restored")).unwrap();
    std::fs::rename(cli.folder.path().join("copied"), cli.folder.path().join("restored/data")).unwrap();
    cli.server = Server::start(&cli.folder.path().join("restored"), &[]);
    let fetched = cli.folder.path().join("fetched");
    let worker = cli.work(&["--kind", "k", "--", "cat"]);
    for id in &before {
        cli.run(&["wait", id, "--timeout", "20s"]).well();
        cli.run(&["result", id, "-o", &fetched.display().to_string()]).well();
        assert_eq!(std::fs::read(&fetched).unwrap(), large);
    }
    drop(worker);
}

#[test]
fn damaged_payloads_are_told_of_and_the_rest_is_copied() {
    let cli = Cli::new();
    let ids = [b'a', b'b', b'c'].map(|byte| cli.feed(&["submit", "k", "--file", "-"], &[byte; 100_000]).well());
    let shards = std::fs::read_dir(cli.folder.path().join("data/blobs")).unwrap().map(|shard| shard.unwrap().path());
    for file in shards.filter(|shard| shard.is_dir()).flat_map(|shard| std::fs::read_dir(shard).unwrap()) {
        let file = file.unwrap().path();
        let mut bytes = std::fs::read(&file).unwrap();
        match bytes[0] {
            b'a' => {
                bytes[50_000] ^= 1;
                std::fs::write(file, bytes).unwrap();
            }
            b'b' => std::fs::remove_file(file).unwrap(),
            _ => {}
        }
    }
    let made = backup(cli.folder.path(), "copied").with(1);
    for (id, says) in [(&ids[0], "is not what was written"), (&ids[1], "is missing")] {
        assert!(made.err.lines().any(|line| line.contains(id.as_str()) && line.contains(says)), "{made:?}");
    }
    assert!(!made.err.contains(&ids[2]) && made.err.contains("next: "), "{made:?}");
    let report: serde_json::Value = serde_json::from_str(&made.out).unwrap();
    assert_eq!((&report["files"], report["damaged"].as_array().unwrap().len()), (&2.into(), 2), "{report:#}");
    std::fs::create_dir(cli.folder.path().join("restored")).unwrap();
    std::fs::rename(cli.folder.path().join("copied"), cli.folder.path().join("restored/data")).unwrap();
    let restored = Server::start(&cli.folder.path().join("restored"), &[]);
    for id in &ids {
        let got = ["get", id.as_str(), "--server", &restored.url, "-o", "json"];
        said(command(cli.folder.path(), &got), None).with(0);
    }
}

#[test]
fn what_is_there_is_never_overwritten() {
    let cli = Cli::new();
    std::fs::create_dir(cli.folder.path().join("there")).unwrap();
    let refused = backup(cli.folder.path(), "there").with(1);
    assert!(refused.err.contains("there already"), "{refused:?}");
    assert_eq!(std::fs::read_dir(cli.folder.path().join("there")).unwrap().count(), 0);
    backup(cli.folder.path(), "new").with(0);
    backup(cli.folder.path(), "new").with(1);
}
