//! A secret: in the file only where it is, never itself.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Where a secret is, and itself, read once. Shown only as its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    place: String,
    text: String,
}

impl Secret {
    /// A secret made by the program itself.
    pub fn new(place: &str, text: String) -> Self {
        Self { place: place.to_owned(), text }
    }

    /// Itself.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The variable of the environment that it was taken from, where it was.
    pub fn variable(&self) -> Option<&str> {
        self.place.strip_prefix("env:")
    }

    /// The file that it was taken from, where it was.
    pub fn file(&self) -> Option<&Path> {
        self.place.strip_prefix("file:").map(Path::new)
    }

    /// Reads `env:NAME` or `file:PATH`.
    pub fn read(place: &str) -> Result<Self, String> {
        let text = if let Some(name) = place.strip_prefix("env:") {
            std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set; set it, or write \"file:PATH\""))?
        } else if let Some(path) = place.strip_prefix("file:") {
            let path = PathBuf::from(path);
            std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read the secret in {}: {error}", path.display()))?
        } else {
            return Err("a secret does not stand in the file itself: write \"env:NAME\" or \"file:PATH\"".to_owned());
        };
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        if text.is_empty() {
            return Err(format!("the secret at {place} is empty"));
        }
        Ok(Self { place: place.to_owned(), text })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.place)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_from_its_place_and_never_shown() {
        let path = std::env::temp_dir().join(format!("raincheck-secret-{}", std::process::id()));
        std::fs::write(&path, "s3cret\n").unwrap();
        let place = format!("file:{}", path.display());
        let secret = Secret::read(&place).unwrap();
        assert_eq!(secret.reveal(), "s3cret");
        assert_eq!(serde_json::to_value(&secret).unwrap(), place);
        assert!(!format!("{secret:?}").contains("s3cret"));
        std::fs::write(&path, "\n").unwrap();
        assert!(Secret::read(&place).unwrap_err().contains("empty"));
        std::fs::remove_file(&path).unwrap();
        assert!(Secret::read("s3cret").unwrap_err().contains("env:NAME"));
        assert!(Secret::read("env:RAINCHECK_NEVER_SET").unwrap_err().contains("not set"));
    }
}
