//! Where jobs live: `sqlite:PATH` or `postgres://…`. Its password is used, and never shown.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Secret;

/// What is known.
const KNOWN: &str = "write sqlite:PATH or postgres://USER@HOST/DATABASE";

/// The address of a store.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// A database of SQLite.
    pub fn sqlite(path: &Path) -> Self {
        Self(format!("sqlite:{}", path.display()))
    }

    /// Reads `sqlite:PATH`, `postgres://…` or `postgresql://…`.
    pub fn read(text: &str) -> Result<Self, String> {
        let rest = after_scheme(text);
        if text.starts_with("sqlite:") || rest.is_some_and(|rest| !rest.is_empty()) {
            Ok(Self(text.to_owned()))
        } else if rest.is_some() {
            Err(format!("it names no server: {KNOWN}"))
        } else {
            // What stands before a colon is no secret, what stands behind it may be.
            let scheme = text.split_once(':').map_or(text, |(scheme, _)| scheme);
            Err(format!("`{scheme}` is not known: {KNOWN}"))
        }
    }

    /// The file of a database of SQLite.
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        self.0.strip_prefix("sqlite:").map(PathBuf::from)
    }

    /// Whether it is a server of PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        after_scheme(&self.0).is_some()
    }

    /// Itself, with its password.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The same with a password that was told apart.
    ///
    /// # Errors
    /// When there is no user whose it could be.
    pub fn with_password(&self, password: Option<&Secret>) -> Result<String, String> {
        let Some(password) = password else { return Ok(self.0.clone()) };
        let rest = after_scheme(&self.0).unwrap_or_default();
        let (user, place) =
            rest.split_once('@').ok_or_else(|| format!("{self} has a password, but no user: {KNOWN}"))?;
        let scheme = &self.0[..self.0.len() - rest.len()];
        let password = percent_encoding::utf8_percent_encode(password.reveal(), percent_encoding::NON_ALPHANUMERIC);
        Ok(format!("{scheme}{user}:{password}@{place}"))
    }

    /// Whether it holds a password.
    pub fn has_password(&self) -> bool {
        self.to_string() != self.0
    }
}

fn after_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"))
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(rest) = after_scheme(&self.0) else { return f.write_str(&self.0) };
        let scheme = &self.0[..self.0.len() - rest.len()];
        // Up to the last `@`, wherever it stands: what should have been escaped is hidden all the same.
        let (who, rest) = rest.rsplit_once('@').map_or((None, rest), |(who, place)| (Some(who), place));
        let who = who.map_or(String::new(), |who| format!("{}@", who.split(':').next().unwrap_or_default()));
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let shown: Vec<&str> =
            query.into_iter().flat_map(|query| query.split('&')).filter(|part| !is_secret(part)).collect();
        let mark = if shown.is_empty() { "" } else { "?" };
        write!(f, "{scheme}{who}{rest}{mark}{}", shown.join("&"))
    }
}

fn is_secret(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    name.eq_ignore_ascii_case("password")
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://u:s3cret@h:1/db?sslmode=require", "postgres://u@h:1/db?sslmode=require"),
            ("postgresql://u:s3c@ret@h/db", "postgresql://u@h/db"),
            ("postgres://u:s3/cret@h/db", "postgres://u@h/db"),
            ("postgres://u:s3?cr@et@h/db", "postgres://u@h/db"),
            ("postgres://u@h/db?password=s3cret&sslmode=require", "postgres://u@h/db?sslmode=require"),
            ("postgres://u@h/db?password=s3cret", "postgres://u@h/db"),
        ] {
            let read = StoreUrl::read(url).unwrap();
            assert_eq!((read.to_string().as_str(), format!("{read:?}").as_str()), (shown, shown));
            assert_eq!(serde_json::to_value(&read).unwrap(), shown);
            assert!(read.has_password() && read.is_postgres());
            assert_eq!(read.reveal(), url);
        }
        let plain = StoreUrl::read("postgres://u@h/db?sslmode=require").unwrap();
        assert!(!plain.has_password());
    }

    #[test]
    fn a_password_from_elsewhere_is_put_in_its_place() {
        let secret = Secret::new("env:X", "a b/@:%".to_owned());
        let with = |url: &str| StoreUrl::read(url).unwrap().with_password(Some(&secret));
        assert_eq!(with("postgres://u@h:1/db").unwrap(), "postgres://u:a%20b%2F%40%3A%25@h:1/db");
        assert!(with("postgres://h/db").unwrap_err().contains("no user"));
    }

    #[test]
    fn others_are_refused_without_showing_them() {
        for (url, why) in [("mysql://u:s3cret@h", "`mysql` is not known"), ("postgres://", "names no server")] {
            let refused = StoreUrl::read(url).unwrap_err();
            assert!(refused.contains(why) && refused.contains("sqlite:PATH") && !refused.contains("s3cret"));
        }
        assert_eq!(StoreUrl::read("sqlite:a/b.db").unwrap().sqlite_path(), Some(PathBuf::from("a/b.db")));
    }
}
