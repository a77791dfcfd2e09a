//! What serde says of a value of another type, in words of JSON and not of Rust.

/// How a value that is not what it should be is described: `found` and `expected` as serde names them.
pub fn mistyped(found: &str, expected: &str) -> String {
    let expected = match expected {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number within bounds, not negative",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number within bounds",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "a character" => "a text",
        "a sequence" => "a list",
        "a map" => "an object",
        "null" | "unit" => "null",
        other if names_object(other) => "an object",
        other if other.starts_with("tuple ") || other.starts_with("a tuple") || other.starts_with("an array") => {
            "a list"
        }
        other if other.starts_with("enum ") => "one of the words that are known here",
        other => other,
    };
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let found = match kind {
        "integer" => value.to_owned(),
        "floating" => value.trim_start_matches("point ").to_owned(),
        "boolean" => value.to_owned(),
        "string" => format!("the text {value}"),
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "unit" | "Option" => "null".to_owned(),
        "character" => format!("the text {value}"),
        _ => found.to_owned(),
    };
    format!("must be {expected}; this is {found}")
}

fn names_object(expected: &str) -> bool {
    ["struct ", "unit struct ", "newtype struct "].iter().any(|of_rust| expected.starts_with(of_rust))
}

/// The same of a whole message; `None` when it is about something else.
pub fn retold(message: &str) -> Option<String> {
    if message.starts_with("data did not match any variant of untagged enum") {
        return Some("is nothing of what may stand here".to_owned());
    }
    if let Some(said) = message.strip_prefix("unknown variant ") {
        let (found, known) = said.split_once(", ")?;
        let known = known.strip_prefix("expected ").unwrap_or(known);
        return Some(format!("must be {known}; this is {found}"));
    }
    let said = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = said.rsplit_once(", expected ")?;
    Some(mistyped(found, expected))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::DeserializeOwned;

    use super::*;

    #[test]
    fn no_type_of_rust_is_named() {
        fn message<T: DeserializeOwned>(json: &str) -> String {
            let error = serde_json::from_str::<T>(json).map(drop).unwrap_err().to_string();
            retold(error.rsplit_once(" at line ").map_or(error.as_str(), |(what, _)| what)).unwrap()
        }
        let whole = "must be a whole number within bounds, not negative; this is ";
        assert_eq!(message::<u32>("-1"), format!("{whole}`-1`"));
        assert_eq!(message::<u32>("4294967296"), format!("{whole}`4294967296`"));
        assert_eq!(message::<u64>("1.5"), format!("{whole}`1.5`"));
        assert_eq!(message::<usize>("\"7\""), format!("{whole}the text \"7\""));
        assert_eq!(message::<i64>("null"), "must be a whole number within bounds; this is null");
        assert_eq!(message::<f64>("true"), "must be a number; this is `true`");
        assert_eq!(message::<bool>("[]"), "must be true or false; this is a list");
        assert_eq!(message::<String>("{}"), "must be a text; this is an object");
        assert_eq!(message::<Vec<u8>>("1"), "must be a list; this is `1`");
        assert_eq!(
            message::<BTreeMap<String, u8>>("\", expected u8\""),
            "must be an object; this is the text \", expected u8\""
        );
        assert_eq!(retold("must hold at most 3"), None);
    }

    #[test]
    fn nor_one_of_ours() {
        #[derive(Debug, serde::Deserialize)]
        #[allow(dead_code, reason = "only read")]
        struct Ours {
            n: u8,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Word {
            Retry,
            Fail,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(untagged)]
        #[allow(dead_code, reason = "only read")]
        enum Either {
            Text(String),
            Ours(Ours),
        }
        fn message<T: DeserializeOwned>(json: &str) -> String {
            let error = serde_json::from_str::<T>(json).map(drop).unwrap_err().to_string();
            retold(error.rsplit_once(" at line ").map_or(error.as_str(), |(what, _)| what)).expect("words of JSON")
        }
        assert_eq!(message::<Ours>("3"), "must be an object; this is `3`");
        assert_eq!(message::<Ours>("\"x\""), "must be an object; this is the text \"x\"");
        assert_eq!(message::<(u8, u8)>("{}"), "must be a list; this is an object");
        assert_eq!(message::<Word>("\"no\""), "must be `retry` or `fail`; this is `no`");
        assert_eq!(message::<Either>("3"), "is nothing of what may stand here");
        assert_eq!(message::<()>("3"), "must be null; this is `3`");
    }
}
