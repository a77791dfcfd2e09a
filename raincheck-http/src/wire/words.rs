//! Members that are one of a few words, for the description.

use raincheck_core::{Method as Way, OnLost as Loss, State as Place};
use raincheck_engine::WaitingFor as Cause;
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! words {
    ($($(#[doc = $doc:literal])* $name:ident: $words:expr;)*) => {
        $($(#[doc = $doc])*
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                one_of(concat!($($doc),*).trim(), $words)
            }
        }

        impl ToSchema for $name {})*
    };
}

words! {
    /// Where a job is on its way. `succeeded`, `failed` and `canceled` are final.
    State: Place::ALL.map(Place::as_str);
    /// `GET` may be repeated, joined and answered from a kept result; `POST` may not.
    Method: [Way::Get, Way::Post].map(Way::as_str);
    /// What is done when a worker vanishes.
    OnLost: [Loss::Retry, Loss::Fail].map(Loss::as_str);
    /// What a job waits for.
    WaitingFor: Cause::ALL.map(Cause::as_str);
}

/// A text that is one of these.
pub fn one_of<W: Into<Value>>(about: &str, words: impl IntoIterator<Item = W>) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).description(Some(about)).enum_values(Some(words)).into()
}
