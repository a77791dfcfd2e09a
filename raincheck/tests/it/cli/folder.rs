//! The data folder: who may read it, what is not taken for one, and what is said when it goes away.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Cli, command, said};
use crate::server::{Server, until};

/// Everything below a folder and itself, with what others may do with it.
fn rights(path: &Path) -> Vec<(PathBuf, u32)> {
    let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut all = vec![(path.to_owned(), mode)];
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| all.extend(rights(&entry.unwrap().path())));
    }
    all
}

#[test]
fn nobody_else_reads_what_it_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large");
    fs::write(&large, vec![7; 100_000]).unwrap();
    let mut cli = Cli { server: Server::start_without_mask(folder.path()), folder };
    cli.run(&["submit", "k", "--file", &large.display().to_string()]).well();
    let (data, copy) = (cli.folder.path().join("data"), cli.folder.path().join("copy"));
    said(command(cli.folder.path(), &["backup", "copy", "--data", "data"]), None).well();
    for kept in [&data, &copy] {
        let all = rights(kept);
        assert!(all.iter().any(|(path, _)| fs::metadata(path).unwrap().len() == 100_000), "{all:?}");
        for (path, mode) in all {
            assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
        }
    }
    // What was made otherwise is made so; of the folder itself, which may be anybody's, nothing is changed.
    cli.server.terminate();
    for (path, mode) in [("", 0o755), ("raincheck.db", 0o644), ("raincheck.lock", 0o666), ("blobs", 0o775)] {
        fs::set_permissions(data.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    cli.server = Server::start(cli.folder.path(), &[]);
    for (path, mode) in rights(&data) {
        let own = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, if path == data { 0o755 } else { own }, "{}", path.display());
    }
}

#[test]
fn what_is_not_its_own_is_refused_with_a_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |more: &[&str]| {
        let serve = ["serve", "--listen", "127.0.0.1:0"];
        let said = said(command(folder.path(), &[&serve, more].concat()), None).with(1);
        assert!(said.err.contains("next: "), "{}", said.err);
        said.err
    };
    fs::create_dir(folder.path().join("photos")).unwrap();
    fs::write(folder.path().join("photos/cat.jpg"), "cat").unwrap();
    let settings = "[store]\nurl = \"sqlite:one.db\"\nblobs = \"photos\"\n";
    fs::write(folder.path().join("photos.toml"), settings).unwrap();
    let refused = serve(&["--config", "photos.toml"]);
    assert!(refused.contains("cat.jpg") && refused.contains("bears no mark"), "{refused}");
    assert_eq!(fs::read_dir(folder.path().join("photos")).unwrap().count(), 1);

    let mut server = Server::start(folder.path(), &[]);
    let refused = serve(&["--store", "sqlite:data/second.db"]);
    assert!(refused.contains("second.db is missing or empty"), "{refused}");
    server.terminate();
    fs::rename(folder.path().join("data/raincheck.db"), folder.path().join("lost.db")).unwrap();
    let refused = serve(&["--data", "data"]);
    assert!(refused.contains("raincheck.db is missing or empty") && refused.contains("a backup"), "{refused}");
}

#[tokio::test]
async fn without_its_data_a_server_says_so_and_takes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let http = reqwest::Client::new();
    let submit = async || http.post(format!("{}/jobs", server.url)).json(&json!({"kind": "k"})).send().await.unwrap();
    assert_eq!(submit().await.status(), 202);
    fs::rename(folder.path().join("data"), folder.path().join("away")).unwrap();
    until("it is not ready", Duration::from_secs(20), async || {
        http.get(format!("{}/readyz", server.url)).send().await.unwrap().status() == 503
    })
    .await;
    let refused = submit().await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (503, true));
    let problem: Value = refused.json().await.unwrap();
    assert!(problem["type"].as_str().unwrap().ends_with("/store-unavailable"), "{problem}");
    // It stays so: what the server has open is not what lies there now.
    fs::rename(folder.path().join("away"), folder.path().join("data")).unwrap();
    assert_eq!(submit().await.status(), 503);
    assert_eq!(http.get(format!("{}/livez", server.url)).send().await.unwrap().status(), 200);
    drop(server);
    Server::start(folder.path(), &[]);
}
