//! The demo's jobs and their real inputs: found on this machine, or made.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use raincheck_client::{Body, Client, Error, Job, NewJob};

use super::kinds;
use crate::{
    cli::{exit::Failure, media, stderr},
    config::Kind,
};

/// A kind, and one job of it.
pub struct Work {
    /// Its name.
    pub kind: &'static str,
    /// How it is run.
    pub runs: Kind,
    /// The job's input.
    pub input: Option<PathBuf>,
    /// The job's line for people.
    pub label: String,
}

/// Texts that many machines have.
const TEXTS: &[&str] = &["README.md", "/usr/share/common-licenses/GPL-3", "/usr/share/dict/words", "/etc/services"];
/// Folders that many machines have.
const TREES: &[&str] = &["/usr/include", "/usr/share/doc", "/usr/share/zoneinfo", "/usr/share"];
/// A larger file would only make people wait.
const LARGEST: u64 = 48 << 20;

impl Work {
    /// Submits the job.
    ///
    /// # Errors
    /// What the server refuses.
    pub async fn submit(&self, client: &Client) -> Result<Job, Error> {
        let mut job = NewJob::new(self.kind);
        job.label = Some(self.label.clone());
        let submitted = match &self.input {
            Some(path) => client.submit_raw(&job, &Body::file(path), media::of(path)).await?,
            None => client.submit(&job).await?,
        };
        Ok(submitted.job)
    }
}

/// Writes the scripts and finds or makes the inputs.
///
/// # Errors
/// When the folder can't be written.
pub fn prepare(folder: &Path) -> Result<Vec<Work>, Failure> {
    let unwritable = |error: std::io::Error| Failure::usage(format!("cannot write {}: {error}", folder.display()));
    std::fs::create_dir_all(folder.join("inputs")).map_err(unwritable)?;
    std::fs::create_dir_all(folder.join("results")).map_err(unwritable)?;
    let text = text(folder).map_err(unwritable)?;
    let file = program().unwrap_or_else(|| text.clone());
    let tree = TREES.iter().map(Path::new).find(|path| path.is_dir()).unwrap_or(folder);
    let mut work = vec![
        Work {
            kind: "text.wc",
            runs: kinds::words(folder).map_err(unwritable)?,
            label: name(&text),
            input: Some(text),
        },
        Work {
            kind: "file.gzip",
            runs: kinds::gzip(folder).map_err(unwritable)?,
            label: name(&file),
            input: Some(file),
        },
        Work {
            kind: "tree.sha256",
            runs: kinds::tree(folder, tree).map_err(unwritable)?,
            label: tree.display().to_string(),
            input: None,
        },
    ];
    if encodes() {
        match clip(folder) {
            Ok(clip) => work.push(Work {
                kind: "video.compress",
                runs: kinds::video(folder).map_err(unwritable)?,
                label: name(&clip),
                input: Some(clip),
            }),
            Err(why) => stderr::say(&format!("ffmpeg could not make a clip, so there is no video this time: {why}")),
        }
    }
    Ok(work)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn text(folder: &Path) -> std::io::Result<PathBuf> {
    let usable = |path: &&Path| {
        path.metadata().is_ok_and(|file| file.is_file() && (1..LARGEST).contains(&file.len()))
            && std::fs::File::open(path).is_ok()
    };
    if let Some(path) = TEXTS.iter().map(Path::new).find(usable) {
        return Ok(path.to_path_buf());
    }
    let mut text = String::new();
    for number in 1..=20_000 {
        let _ = writeln!(text, "You can't be served now? Take rain check number {number} and come back later.");
    }
    let path = folder.join("inputs/text.txt");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// This very program, unless it is too large to be fun (a debug build is).
fn program() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?;
    let size = path.metadata().ok()?.len();
    if size <= LARGEST {
        return Some(path);
    }
    ["/bin/bash", "/bin/sh"].iter().map(PathBuf::from).find(|path| path.is_file())
}

/// Whether ffmpeg is on the search path and can encode H.264.
fn encodes() -> bool {
    let runs = |program: &str| {
        let mut command = Command::new(program);
        command.args(["-hide_banner", "-encoders"]).stdin(Stdio::null()).stderr(Stdio::null()).output()
    };
    let encoders = runs("ffmpeg").is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("libx264"));
    let probe = Command::new("ffprobe")
        .arg("-version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    encoders && probe.is_ok_and(|status| status.success())
}

/// A clip to compress: made once, kept for the next time.
fn clip(folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join("inputs/clip.avi");
    if path.is_file() {
        return Ok(path);
    }
    let part = folder.join("inputs/clip.part.avi");
    let made = Command::new("ffmpeg")
        .args([
            "-hide_banner",
            "-loglevel",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=duration=12:size=1280x720:rate=30",
        ])
        .args([
            "-f",
            "lavfi",
            "-i",
            "sine=frequency=440:duration=12",
            "-c:v",
            "mpeg4",
            "-q:v",
            "3",
            "-c:a",
            "pcm_s16le",
        ])
        .arg(&part)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).trim().to_owned());
    }
    std::fs::rename(&part, &path).map_err(|error| error.to_string())?;
    Ok(path)
}
