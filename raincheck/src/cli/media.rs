//! The media type of a file by its name.

use std::path::Path;

const TYPES: &[(&str, &[&str])] = &[
    ("application/gzip", &["gz", "tgz"]),
    ("application/json", &["json"]),
    ("application/pdf", &["pdf"]),
    ("application/x-ndjson", &["ndjson", "jsonl"]),
    ("application/x-tar", &["tar"]),
    ("application/xml", &["xml"]),
    ("application/zip", &["zip"]),
    ("application/zstd", &["zst"]),
    ("audio/flac", &["flac"]),
    ("audio/mpeg", &["mp3"]),
    ("audio/ogg", &["ogg", "opus"]),
    ("audio/wav", &["wav"]),
    ("image/avif", &["avif"]),
    ("image/gif", &["gif"]),
    ("image/jpeg", &["jpg", "jpeg"]),
    ("image/png", &["png"]),
    ("image/svg+xml", &["svg"]),
    ("image/webp", &["webp"]),
    ("text/css; charset=utf-8", &["css"]),
    ("text/csv; charset=utf-8", &["csv"]),
    ("text/html; charset=utf-8", &["html", "htm"]),
    ("text/markdown; charset=utf-8", &["md"]),
    ("text/plain; charset=utf-8", &["txt", "log", "toml", "yaml", "yml"]),
    ("video/mp4", &["mp4", "m4v"]),
    ("video/quicktime", &["mov"]),
    ("video/webm", &["webm"]),
    ("video/x-matroska", &["mkv"]),
    ("video/x-msvideo", &["avi"]),
];

/// What a file of this name most likely is.
pub fn of(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase();
    let found = TYPES.iter().find(|(_, extensions)| extensions.contains(&extension.as_str()));
    found.map_or("application/octet-stream", |(media, _)| media)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_extension_whatever_its_case() {
        assert_eq!(of(Path::new("a/clip.MP4")), "video/mp4");
        assert_eq!(of(Path::new("Makefile")), "application/octet-stream");
    }
}
