//! The demo's kinds: scripts within this program, written into the demo's folder and run from there.

use std::{io, os::unix::fs::PermissionsExt as _, path::Path};

use crate::config::{Kind, kind::Method};

const WORDS: &str = include_str!("text-wc.sh");
const GZIP: &str = include_str!("file-gzip.sh");
const TREE: &str = include_str!("tree-sha256.sh");
const VIDEO: &str = include_str!("../../../examples/video-compression/compress.sh");

/// Counts the words of a text.
pub fn words(folder: &Path) -> io::Result<Kind> {
    kind(folder, "text-wc.sh", WORDS, "Count the words of a text", Some(Method::Get), &[])
}

/// Compresses a file.
pub fn gzip(folder: &Path) -> io::Result<Kind> {
    kind(folder, "file-gzip.sh", GZIP, "Compress a file with gzip", None, &[])
}

/// Checksums `root`.
pub fn tree(folder: &Path, root: &Path) -> io::Result<Kind> {
    let root = root.display().to_string();
    kind(
        folder,
        "tree-sha256.sh",
        TREE,
        &format!("Checksum the files below {root}"),
        Some(Method::Get),
        &[root.as_str()],
    )
}

/// Re-encodes a clip.
pub fn video(folder: &Path) -> io::Result<Kind> {
    kind(folder, "video-compress.sh", VIDEO, "Re-encode a clip to H.264", None, &[])
}

fn kind(
    folder: &Path,
    file: &str,
    script: &str,
    description: &str,
    method: Option<Method>,
    arguments: &[&str],
) -> io::Result<Kind> {
    let scripts = folder.join("kinds");
    std::fs::create_dir_all(&scripts)?;
    let path = scripts.join(file);
    std::fs::write(&path, script)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    let run =
        std::iter::once(path.display().to_string()).chain(arguments.iter().map(|argument| (*argument).to_owned()));
    Ok(Kind {
        description: Some(description.to_owned()),
        method,
        run: run.collect(),
        workers: Some(2),
        ..Kind::default()
    })
}
