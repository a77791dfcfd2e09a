//! Durations on the wire.

use std::fmt;

use raincheck_core::limits::DURATION_MILLIS;
use raincheck_core::{Millis, parse_duration};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A duration on the wire: `"90s"` or whole seconds, as a number or as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub Millis);

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration: \"500ms\", \"90s\", \"15m\", \"2h\", \"7d\" or whole seconds")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
                self.visit_str(&seconds.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                parse_duration(text).map(Duration).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl PartialSchema for Duration {
    fn schema() -> RefOr<Schema> {
        let about = "`500ms`, `90s`, `15m`, `2h`, `7d`, or whole seconds as text or number; ten years at most.";
        let written = text_or_seconds().pattern(Some("^[0-9]{1,12}(ms|s|m|h|d)?$")).examples(["90s"]);
        written.description(Some(about)).into()
    }
}

impl ToSchema for Duration {}

/// A text, or a number of seconds.
pub fn text_or_seconds() -> ObjectBuilder {
    let either = SchemaType::Array(vec![Type::String, Type::Integer]);
    ObjectBuilder::new().schema_type(either).minimum(Some(0)).maximum(Some(DURATION_MILLIS / 1_000))
}
