//! Large payloads go through files, never through memory.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use crate::server::{Server, until};

const MIB: usize = 1 << 20;
const SIZE: usize = 300 * MIB;

/// A clip that does not compress and is never whole in memory.
fn block(n: usize) -> Vec<u8> {
    let mut state = n as u64 + 1;
    let mut next = || {
        // xorshift64 (G. Marsaglia, "Xorshift RNGs", 2003)
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..MIB / 8).flat_map(|_| next()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_megabytes_in_and_out_leave_memory_alone() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("copy.sh");
    std::fs::write(&script, "#!/bin/sh\ncp \"$RAINCHECK_INPUT\" \"$RAINCHECK_RESULT\"\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let config = folder.path().join("raincheck.toml");
    std::fs::write(&config, "[kinds.copy]\nrun = [\"./copy.sh\"]\n").unwrap();
    let server = Server::start(folder.path(), &["--config", config.to_str().unwrap()]);
    let http = reqwest::Client::new();
    let clip = folder.path().join("clip.bin");
    let mut file = std::fs::File::create(&clip).unwrap();
    (0..SIZE / MIB).for_each(|n| file.write_all(&block(n)).unwrap());
    drop(file);
    // One small job first, so that what is only made once is there before the measurement.
    let small = http.post(format!("{}/kinds/copy/jobs", server.url)).header("content-type", "text/plain").body("hi");
    assert_eq!(small.header("prefer", "wait=20").send().await.unwrap().status(), 200);
    let before = server.resident();

    let body = tokio::fs::File::open(&clip).await.unwrap();
    let upload = http.post(format!("{}/kinds/copy/jobs?label=clip.bin", server.url));
    let answer = upload.header("content-type", "video/mp4").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let job: Value = answer.json().await.unwrap();
    let url = format!("{}/jobs/{}", server.url, job["id"].as_str().unwrap());
    let mut peak = server.resident();
    until("the copy is made", Duration::from_secs(120), async || {
        peak = peak.max(server.resident());
        http.get(&url).send().await.unwrap().status() == 200
    })
    .await;
    let mut answer = http.get(format!("{url}/result")).send().await.unwrap();
    assert_eq!(answer.content_length(), Some(SIZE as u64));
    let mut original = std::fs::File::open(&clip).unwrap();
    let (mut read, mut expected) = (0, Vec::new());
    while let Some(piece) = answer.chunk().await.unwrap() {
        expected.resize(piece.len(), 0);
        original.read_exact(&mut expected).unwrap();
        assert!(piece == expected, "different at {read}");
        read += piece.len();
        peak = peak.max(server.resident());
    }
    assert_eq!(read, SIZE);
    let grown = peak.saturating_sub(before) / 1024;
    println!("resident memory grew by {grown} MiB");
    assert!(grown < 64, "resident memory grew by {grown} MiB");
}
