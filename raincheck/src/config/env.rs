//! Lays the environment over the settings of the file: `RAINCHECK_SERVER__LISTEN` is `server.listen`.

use super::tree::{Node, Origin, Value};

const PREFIX: &str = "RAINCHECK_";

/// Short names beside the nested ones: those of the flags of `serve`.
const SHORT: &[(&str, &[&str])] = &[
    ("LISTEN", &["server", "listen"]),
    ("PUBLIC_URL", &["server", "public_url"]),
    ("ADMIN_TOKEN", &["server", "admin_token"]),
    ("STORE", &["store", "url"]),
    ("LOG_LEVEL", &["log", "level"]),
    ("LOG_FORMAT", &["log", "format"]),
];

/// Settings whose text in the environment is the secret itself; the tree only ever holds where it is.
const SECRETS: &[&[&str]] =
    &[&["server", "admin_token"], &["store", "password"], &["store", "s3", "secret_access_key"]];

/// Sets what `variables` say. Names without `__` that are not of a flag are somebody else's (`RAINCHECK_INPUT` of a
/// command, `RAINCHECK_TOKEN` of a client) and left alone.
pub fn overlay(tree: &mut Node, variables: impl IntoIterator<Item = (String, String)>) {
    let mut variables: Vec<_> = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    variables.sort();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if let Some((path, file)) = secret(rest) {
            let place = if file { format!("file:{value}") } else { format!("env:{name}") };
            tree.set(path, Value::Loose(place), Origin::Env(name));
        } else if let Some((_, path)) = SHORT.iter().find(|(short, _)| *short == rest) {
            tree.set(path, Value::Loose(value), Origin::Env(name));
        } else if rest.contains("__") {
            let lower = rest.to_lowercase();
            let path: Vec<&str> = lower.split("__").collect();
            tree.set(&path, Value::Loose(value), Origin::Env(name));
        }
    }
}

/// The secret that a variable names, and whether it names a file that holds it.
fn secret(rest: &str) -> Option<(&'static [&'static str], bool)> {
    let (name, file) = rest.strip_suffix("_FILE").map_or((rest, false), |name| (name, true));
    let lower = name.to_lowercase();
    let nested: Vec<&str> = lower.split("__").collect();
    SECRETS
        .iter()
        .copied()
        .find(|path| *path == nested || SHORT.iter().any(|(short, of)| *short == name && of == path))
        .map(|path| (path, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Node {
        let mut tree = Node::empty();
        overlay(&mut tree, variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        tree
    }

    #[test]
    fn nested_and_short_names_find_their_place() {
        let tree = with(&[
            ("RAINCHECK_LIMITS__JSON_BODY", "2MiB"),
            ("RAINCHECK_LISTEN", "127.0.0.1:1"),
            ("RAINCHECK_INPUT", "/tmp/in"),
            ("RAINCHECK_SERVER", "http://x"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(tree.get(&["limits", "json_body"]).unwrap().value, Value::Loose("2MiB".into()));
        assert_eq!(tree.origin(&["server", "listen"]), Origin::Env("RAINCHECK_LISTEN".into()));
        assert!(tree.get(&["input"]).is_none());
        assert_eq!(tree.origin(&["server", "public_url"]), Origin::Default);
    }

    #[test]
    fn a_secret_is_only_pointed_at() {
        for (name, value, place) in [
            ("RAINCHECK_ADMIN_TOKEN", "s3cret", "env:RAINCHECK_ADMIN_TOKEN"),
            ("RAINCHECK_SERVER__ADMIN_TOKEN", "s3cret", "env:RAINCHECK_SERVER__ADMIN_TOKEN"),
            ("RAINCHECK_ADMIN_TOKEN_FILE", "/run/token", "file:/run/token"),
            ("RAINCHECK_SERVER__ADMIN_TOKEN_FILE", "/run/token", "file:/run/token"),
        ] {
            let tree = with(&[(name, value)]);
            assert_eq!(tree.get(&["server", "admin_token"]).unwrap().value, Value::Loose(place.into()), "{name}");
        }
        let tree = with(&[("RAINCHECK_STORE__S3__SECRET_ACCESS_KEY", "s3cret")]);
        let place = Value::Loose("env:RAINCHECK_STORE__S3__SECRET_ACCESS_KEY".into());
        assert_eq!(tree.get(&["store", "s3", "secret_access_key"]).unwrap().value, place);
        let tree = with(&[("RAINCHECK_STORE__PASSWORD_FILE", "/run/password")]);
        assert_eq!(tree.get(&["store", "password"]).unwrap().value, Value::Loose("file:/run/password".into()));
    }
}
