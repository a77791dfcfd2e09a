//! Reads a JSON body and says where it is wrong.

use std::fmt;
use std::marker::PhantomData;

use raincheck_core::limits;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::mistyped::retold;
use super::names::{Members, TOO_LONG};
use crate::cut::Cut;
use crate::problem::{Problem, Violation};

/// Reads `body` as `T`. Broken JSON and duplicate members are bad requests; unknown, missing and mistyped members do
/// not pass validation.
pub fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map(|Object(value)| value).map_err(|error| explain::<T>(body, error))
}

/// As [`read`], for a body that may be left out; `null` says as little.
pub fn read_or_default<'a, T: Deserialize<'a> + Default>(body: &'a [u8]) -> Result<T, Problem> {
    if matches!(body.trim_ascii(), b"" | b"null") { Ok(T::default()) } else { read(body) }
}

/// Reads a second time, keeping track of the place: only those who err pay for it.
#[cold]
fn explain<'a, T: Deserialize<'a>>(body: &'a [u8], error: serde_json::Error) -> Problem {
    if std::str::from_utf8(body).is_err() {
        return Problem::bad("the body is not valid UTF-8");
    }
    // What is wrong may be said in the words of the body, which are as long as their sender likes.
    let (message, is_whole) = Cut::of(&error, limits::DETAIL_BYTES);
    let (what, _) = message.rsplit_once(" at line ").unwrap_or((&message, ""));
    let (class, line, column) = (error.classify(), error.line(), error.column());
    drop(error);
    if matches!(class, Category::Syntax | Category::Eof | Category::Io) {
        return Problem::bad(format!("the body is not valid JSON: {message}"));
    }
    // Who looks for the place keeps a copy of each name on the way.
    if !is_whole || what.starts_with(TOO_LONG) {
        let place = format!("at line {line} column {column} something is far too long: {what}");
        return Problem::invalid(vec![Violation::new(String::new(), place)]);
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let place = match serde_path_to_error::deserialize::<_, Object<T>>(&mut reader) {
        Err(error) => pointer(error.path()),
        Ok(_) => String::new(),
    };
    let named = what.split('`').nth(1).unwrap_or_default();
    let at = |name: &str| {
        if place.ends_with(&format!("/{name}")) { place.clone() } else { format!("{place}/{}", escape(name)) }
    };
    if what.starts_with("duplicate field") {
        return Problem::bad("a member is there twice").errors(vec![Violation::new(at(named), "is there twice")]);
    }
    let violation = if what.starts_with("unknown field `") {
        Violation::new(at(named), "is not known here")
    } else if what.starts_with("missing field") {
        Violation::new(at(named), "is required")
    } else {
        Violation::new(place, retold(what).unwrap_or_else(|| what.to_owned()))
    };
    Problem::invalid(vec![violation])
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => pointer.push_str(&format!("/{}", escape(key))),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// A member's name within a JSON pointer (RFC 6901 section 3).
pub fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A `T` written as an object and nothing else: serde would also take an array of its members.
#[derive(Clone, Copy, Debug, Default)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OnlyMap<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OnlyMap<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(Members(map))).map(Object)
            }
        }
        deserializer.deserialize_map(OnlyMap(PhantomData))
    }
}

/// A list of at most so many elements: of one that is longer, nothing beyond them is read.
#[derive(Clone, Debug)]
pub struct AtMost<T, const MOST: usize>(pub Vec<T>);

impl<T, const MOST: usize> Default for AtMost<T, MOST> {
    fn default() -> Self {
        AtMost(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Few<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Few<T, MOST> {
            type Value = AtMost<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AtMost<T, MOST>, A::Error> {
                let mut all = Vec::new();
                while all.len() < MOST {
                    match list.next_element()? {
                        Some(one) => all.push(one),
                        None => return Ok(AtMost(all)),
                    }
                }
                match list.next_element::<IgnoredAny>()? {
                    Some(_) => Err(A::Error::custom(format_args!("must hold at most {MOST}"))),
                    None => Ok(AtMost(all)),
                }
            }
        }
        deserializer.deserialize_seq(Few(PhantomData))
    }
}

/// A raw member that may be `null` and is then there all the same.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a>(pub &'a RawValue);

impl<'a> Present<'a> {
    /// For `deserialize_with`, where `Option` would take `null` for absent.
    pub fn some<D: Deserializer<'a>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Some(Present(raw)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    struct Inner {
        n: Option<u8>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "only read")]
    struct Outer<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(default, borrow, deserialize_with = "Present::some")]
        input: Option<Present<'a>>,
        #[serde(default)]
        list: Vec<Object<Inner>>,
    }

    #[test]
    fn the_name_of_an_unknown_member_is_not_repeated_in_full() {
        let body = format!("{{\"name\":\"a\",\"{}\":1}}", "x".repeat(300));
        let said = serde_json::from_str::<Object<Outer<'_>>>(&body).unwrap_err().to_string();
        assert!(said.contains("unknown field, with a name of 300 bytes") && said.len() < 200, "{said}");
        let mut out = super::super::Json::default();
        read::<Outer<'_>>(body.as_bytes()).unwrap_err().write(&mut out, raincheck_engine::wire::BaseUrl::NONE);
        let message = String::from_utf8(out.into_vec()).unwrap();
        assert!(
            message.contains("at line 1 column 314 something is far too long: unknown field, with a name"),
            "{message}"
        );
    }

    #[test]
    fn of_a_long_list_nothing_beyond_the_bound_is_read() {
        let list = |text: &str| serde_json::from_str::<AtMost<u8, 3>>(text).map(|AtMost(all)| all);
        assert!(list("[]").unwrap().is_empty());
        assert_eq!(list("[1,2,3]").unwrap(), [1, 2, 3]);
        // What comes after it is not even looked at.
        assert!(list("[1,2,3,4,oh").unwrap_err().to_string().starts_with("must hold at most 3"));
        assert!(list("[1,2,3,oh").unwrap_err().is_syntax());
    }

    #[test]
    fn an_error_does_not_echo_the_body() {
        let long = "x".repeat(1 << 20);
        for body in [
            format!("{{\"name\":\"x\",\"{long}\":1}}"),
            format!("{{\"name\":\"x\",\"list\":[{{\"n\":\"{long}\"}}]}}"),
            format!("{{\"name\":\"x\",\"list\":\"{long}\"}}"),
        ] {
            let mut out = super::super::Json::default();
            read::<Outer<'_>>(body.as_bytes()).unwrap_err().write(&mut out, raincheck_engine::wire::BaseUrl::NONE);
            assert!(out.into_vec().len() < 4 << 10);
        }
    }

    #[test]
    fn errors_say_where() {
        let slug = |body: &str| {
            let problem = read::<Outer<'_>>(body.as_bytes()).unwrap_err();
            let mut out = super::super::Json::default();
            problem.write(&mut out, raincheck_engine::wire::BaseUrl::NONE);
            let text: serde_json::Value = serde_json::from_slice(&out.into_vec()).unwrap();
            (problem.row().slug, text["errors"][0]["pointer"].as_str().unwrap_or("-").to_owned())
        };
        for (body, expected, pointer) in [
            ("{", "invalid-request", "-"),
            ("", "invalid-request", "-"),
            ("{\"name\":\"x\"} x", "invalid-request", "-"),
            ("{}", "validation", "/name"),
            ("{\"name\":1}", "validation", "/name"),
            ("{\"name\":\"x\",\"nope\":1}", "validation", "/nope"),
            ("{\"name\":\"x\",\"name\":\"y\"}", "invalid-request", "/name"),
            ("{\"name\":\"x\",\"list\":[{},{\"n\":300}]}", "validation", "/list/1/n"),
            ("{\"name\":\"x\",\"list\":[{},{\"m\":3}]}", "validation", "/list/1/m"),
            ("{\"name\":\"x\",\"list\":[{\"n\":1,\"n\":1}]}", "invalid-request", "/list/0/n"),
            ("[]", "validation", ""),
            ("[\"x\"]", "validation", ""),
            ("{\"name\":\"x\",\"list\":1e400}", "invalid-request", "-"),
        ] {
            assert_eq!(slug(body), (expected, pointer.to_owned()), "{body}");
        }
        let outer: Outer<'_> = read(b"{\"name\":\"x\",\"input\":null}").unwrap();
        assert_eq!(outer.input.unwrap().0.get(), "null");
    }
}
