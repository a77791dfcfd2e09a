//! What a caller submits.

use std::borrow::Cow;
use std::fmt;

use raincheck_core::{Deadline, limits, parse_duration};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::read::{AtMost, Object};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::{Duration, Method, OnLost, Present, text_or_seconds, time};

/// A job to be. Only `kind` is required; the rest has defaults.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewJob)]
pub struct NewJobBody<'a> {
    /// Names the work.
    #[serde(borrow)]
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", example = "video.compress")]
    pub kind: Cow<'a, str>,
    /// What the worker gets, byte for byte.
    #[serde(default, borrow, deserialize_with = "Present::some")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub input: Option<Present<'a>>,
    /// A line for people.
    #[serde(borrow)]
    #[schema(max_length = 256)]
    pub label: Option<Cow<'a, str>>,
    /// Where it waits; queues are made on first use.
    #[serde(borrow)]
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
    pub queue: Option<Cow<'a, str>>,
    /// The idempotency key.
    #[serde(borrow)]
    #[schema(min_length = 1, max_length = 255)]
    pub key: Option<Cow<'a, str>>,
    /// `GET` may be repeated, joined and answered from a kept result; `POST`, the default, may not.
    #[serde(borrow)]
    #[schema(value_type = Option<Method>)]
    pub method: Option<Cow<'a, str>>,
    /// More goes first.
    #[schema(minimum = -100, maximum = 100)]
    pub priority: Option<i64>,
    /// Not before so long from now.
    pub delay: Option<Duration>,
    /// Not before this time, at most a hundred years ahead.
    #[serde(borrow)]
    #[schema(format = DateTime)]
    pub run_at: Option<Cow<'a, str>>,
    /// Fails unless started by then: a time, or a duration from now.
    pub start_by: Option<Moment>,
    /// Time limit of one attempt.
    pub timeout: Option<Duration>,
    /// When a failed attempt is tried again.
    #[schema(value_type = Option<RetryBody>)]
    pub retry: Option<Object<RetryBody>>,
    /// How long it is kept once final.
    #[schema(value_type = Option<RetentionBody>)]
    pub retention: Option<Object<RetentionBody>>,
    /// An equal `GET` job that succeeded at most this long ago answers instead.
    pub max_age: Option<Duration>,
    /// What to do when its worker vanishes: `retry`, the default, or `fail`.
    #[serde(borrow)]
    #[schema(value_type = Option<OnLost>)]
    pub on_lost: Option<Cow<'a, str>>,
    /// Losses in a row after which it is failed; 0 counts each as a failed attempt.
    #[schema(minimum = 0, maximum = 1000)]
    pub max_losses: Option<u32>,
    /// Names and values for finding it again, at most 32.
    #[serde(default)]
    pub tags: Tags,
}

/// When a failed attempt is tried again.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Retry)]
pub struct RetryBody {
    /// Failures in all.
    #[schema(minimum = 1, maximum = 1000)]
    pub max_attempts: Option<u32>,
    /// Bound of the first pause.
    pub initial: Option<Duration>,
    /// Growth of the bound per failure.
    #[schema(minimum = 1, maximum = 1000)]
    pub factor: Option<f64>,
    /// Largest bound.
    pub max: Option<Duration>,
    /// Draw each pause from the whole range below its bound.
    pub jitter: Option<bool>,
}

/// How long a job is kept once final.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Retention)]
pub struct RetentionBody {
    /// After success.
    pub succeeded: Option<Duration>,
    /// After failure or cancellation.
    pub failed: Option<Duration>,
}

/// Many jobs, all or none.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Batch)]
pub struct BatchBody<'a> {
    /// At most 1,000.
    #[serde(borrow)]
    #[schema(value_type = Vec<NewJobBody>, min_items = 1, max_items = 1000)]
    pub jobs: AtMost<Object<NewJobBody<'a>>, { limits::BATCH_JOBS }>,
    /// Makes it safe to ask again: the same with the same jobs answers those of the first time.
    #[serde(borrow)]
    #[schema(min_length = 1, max_length = 255)]
    pub request_id: Option<Cow<'a, str>>,
}

/// How a job is run again.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rerun)]
pub struct RerunBody<'a> {
    /// Another input than the first time.
    #[serde(default, borrow, deserialize_with = "Present::some")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub input: Option<Present<'a>>,
}

/// A time, or a duration from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Deadline);

impl Moment {
    /// Reads either.
    pub fn parse(text: &str) -> Option<Self> {
        let deadline = parse_duration(text).ok().map(Deadline::In).or_else(|| time::parse(text).map(Deadline::At));
        deadline.map(Moment)
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let about = "A time (RFC 3339), or a duration from now: `2h`, or whole seconds.";
        text_or_seconds().examples(["2h", "2026-12-24T18:00:00Z"]).description(Some(about)).into()
    }
}

impl ToSchema for Moment {}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Moment;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time in RFC 3339 or a duration")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Moment, E> {
                self.visit_str(&seconds.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
                Moment::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Names and values, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(pub Vec<(Box<str>, Box<str>)>);

impl PartialSchema for Tags {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String).max_length(Some(limits::TAG_BYTES));
        let value = AdditionalProperties::from(Schema::from(text()));
        let about = "Names and values for finding it again.";
        let tags =
            ObjectBuilder::new().property_names(Some(text().min_length(Some(1)))).additional_properties(Some(value));
        tags.max_properties(Some(limits::TAGS))
            .description(Some(about))
            .examples([serde_json::json!({"customer": "17"})])
            .into()
    }
}

impl ToSchema for Tags {}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tags, A::Error> {
                let mut tags: Vec<(Box<str>, Box<str>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<Box<str>, Box<str>>()? {
                    match tags.binary_search_by(|(known, _)| known.cmp(&name)) {
                        Ok(_) => return Err(de::Error::custom(format!("duplicate field `{name}`"))),
                        Err(place) => tags.insert(place, (name, value)),
                    }
                    if tags.len() > limits::TAGS {
                        return Err(de::Error::custom("at most 32 tags"));
                    }
                }
                Ok(Tags(tags))
            }
        }
        deserializer.deserialize_map(Map)
    }
}
