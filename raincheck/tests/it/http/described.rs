//! The OpenAPI document as a test reads it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::test_server::{Reply, TestServer, text};

/// Headers of any answer, of which a description says nothing.
const COMMON: &[&str] = &[
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "transfer-encoding",
    "vary",
    "x-accel-buffering",
    "x-content-type-options",
];

pub struct Document(pub Value);

impl Document {
    pub async fn of(server: &TestServer) -> Document {
        Document(server.get("/openapi.json").await.is(200).json())
    }

    /// Method, path and what is said of it.
    pub fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, said)| (method.as_str(), path.as_str(), said))
        })
    }

    pub fn operation(&self, method: &str, path: &str) -> &Value {
        &self.0["paths"][path][method]
    }

    pub fn schema(&self, name: &str) -> &Value {
        &self.0["components"]["schemas"][name]
    }

    /// What a reference refers to; everything else as it is.
    pub fn at<'a>(&'a self, value: &'a Value) -> &'a Value {
        let place = value["$ref"].as_str().map(|place| place.strip_prefix('#').unwrap());
        place.map_or(value, |place| self.0.pointer(place).unwrap_or_else(|| panic!("nothing is at {place}")))
    }

    /// Bodies of any media type are bytes, by a name that generated clients know.
    pub fn is_bytes_where_anything(&self, at: &str, content: &Value) {
        if content["*/*"].is_object() {
            let schema = &content["application/octet-stream"]["schema"];
            assert_eq!((text(&schema["type"]), text(&schema["format"])), ("string", "binary"), "{at}");
        }
    }

    /// The answer, which has no header that is not described, and a JSON body as described.
    pub fn check(&self, method: &str, path: &str, reply: Reply) -> Reply {
        let at = format!("{method} {path} {}", reply.status);
        let answer = self.at(&self.operation(method, path)["responses"][reply.status.to_string()]);
        assert!(answer.is_object(), "{at} is not described: {}", reply.text());
        let described: Vec<String> =
            answer["headers"].as_object().into_iter().flatten().map(|(name, _)| name.to_lowercase()).collect();
        let sent: BTreeSet<&str> = reply.headers.keys().map(|name| name.as_str()).collect();
        for name in sent.into_iter().filter(|name| !COMMON.contains(name)) {
            assert!(described.iter().any(|of| of == name), "{at}: {name} is sent and not described");
        }
        let media = reply.header("content-type").split(';').next().unwrap();
        if media.ends_with("json") && answer["content"][media].is_object() {
            self.conforms(&at, &answer["content"][media]["schema"], &reply.json());
        }
        reply
    }

    /// The value is what the schema says, as far as this document says anything.
    pub fn conforms(&self, at: &str, schema: &Value, value: &Value) {
        let wrong = self.wrong(schema, value, "");
        assert!(wrong.is_none(), "{at}: {} in {value:#}", wrong.unwrap());
    }

    fn wrong(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        let schema = self.at(schema);
        for (choice, most) in [("oneOf", 1), ("anyOf", usize::MAX)] {
            let Some(schemas) = schema[choice].as_array() else { continue };
            let wrong: Vec<_> = schemas.iter().filter_map(|schema| self.wrong(schema, value, at)).collect();
            let right = schemas.len() - wrong.len();
            if !(1..=most).contains(&right) {
                return Some(format!("{at}: {right} of {choice}: {}", wrong.join(", ")));
            }
        }
        let types = match &schema["type"] {
            Value::Null => None,
            Value::Array(types) => Some(types.iter().map(text).collect::<Vec<_>>()),
            one => Some(vec![text(one)]),
        };
        if types.is_some_and(|types| !types.iter().any(|of| is_of(value, of))) {
            return Some(format!("{at} is no {}", schema["type"]));
        }
        if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
            return Some(format!("{at} is none of {}", schema["enum"]));
        }
        if let Some(members) = value.as_object() {
            let missing =
                schema["required"].as_array().into_iter().flatten().map(text).find(|name| !members.contains_key(*name));
            if let Some(name) = missing {
                return Some(format!("{at}/{name} is missing"));
            }
            return members.iter().find_map(|(name, value)| match &schema["properties"][name] {
                // What is not named is of no use to whoever reads the description.
                Value::Null if schema["properties"].is_object() => Some(format!("{at}/{name} is not described")),
                Value::Null => self.wrong(&schema["additionalProperties"], value, &format!("{at}/{name}")),
                schema => self.wrong(schema, value, &format!("{at}/{name}")),
            });
        }
        value.as_array().into_iter().flatten().find_map(|item| self.wrong(&schema["items"], item, &format!("{at}/-")))
    }
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}
