//! What events look like, for the description: one shape for each type.
#![allow(dead_code, reason = "described, not constructed")]

use raincheck_core::EventType;
use utoipa::openapi::schema::{Discriminator, ObjectBuilder, OneOfBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::schema::{Failure, JobResult, object};
use crate::wire::{ProgressBody, State, one_of};

/// One thing that happened to a job.
pub struct Event;

/// What all of them have.
#[derive(ToSchema)]
struct Head {
    /// Number within the job, from 1.
    seq: u32,
    job: Uuid,
    queue: String,
    kind: String,
    state: State,
    attempt: u32,
    #[schema(format = DateTime)]
    at: String,
    /// Place in the whole feed, to go on from.
    cursor: String,
    /// The same as a number that only grows; in the whole feed.
    #[schema(required = false, nullable = false)]
    position: Option<i64>,
}

/// What there is to say of a submit.
#[derive(ToSchema)]
struct Created {
    /// The client's key.
    #[schema(required = false, nullable = false)]
    key: Option<String>,
}

/// What there is to say of a run that began or was lost.
#[derive(ToSchema)]
struct Run {
    /// By the name that it gave itself.
    worker: String,
}

/// What there is to say of an attempt that failed.
#[derive(ToSchema)]
struct Retrying {
    problem: Failure,
    /// When the next one is due.
    #[schema(format = DateTime)]
    run_at: String,
}

/// What there is to say of a job that failed.
#[derive(ToSchema)]
struct Failed {
    problem: Failure,
}

/// What there is to say of a success; in the whole feed with `?include=result`, else empty.
#[derive(ToSchema)]
struct Succeeded {
    #[schema(required = false)]
    result: Option<JobResult>,
}

impl PartialSchema for Event {
    fn schema() -> RefOr<Schema> {
        let reference = |of: EventType| Ref::from_schema_name(name(of));
        let by_type = EventType::ALL.map(|of| (of.as_str(), reference(of).ref_location));
        let about = "One thing that happened to a job. Types that you do not know may come: pass over them.";
        let either = OneOfBuilder::new().discriminator(Some(Discriminator::with_mapping("type", by_type)));
        EventType::ALL.into_iter().fold(either, |either, of| either.item(reference(of))).description(Some(about)).into()
    }
}

impl ToSchema for Event {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.extend(EventType::ALL.map(|of| (name(of), one(of))));
        schemas.extend([
            (Failure::name().into_owned(), Failure::schema()),
            (JobResult::name().into_owned(), JobResult::schema()),
            (ProgressBody::name().into_owned(), ProgressBody::schema()),
        ]);
        Head::schemas(schemas);
    }
}

/// The name of its shape.
fn name(of: EventType) -> String {
    let words = of.as_str().split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect::<String>() + "Event"
}

fn one(of: EventType) -> RefOr<Schema> {
    let mut event = object(Head::schema());
    event.description = Some(format!("An event of the type `{}`.", of.as_str()));
    event.properties.insert("type".to_owned(), one_of("What happened.", [of.as_str()]));
    event.properties.insert("data".to_owned(), data(of));
    event.required.push("type".to_owned());
    event.into()
}

/// What belongs to that alone. It is not there when the job was forgotten, so it is never required.
fn data(of: EventType) -> RefOr<Schema> {
    match of {
        EventType::Created => Created::schema(),
        EventType::Started | EventType::Lost => Run::schema(),
        EventType::Progress => Ref::from_schema_name(ProgressBody::name()).into(),
        EventType::Retrying => Retrying::schema(),
        EventType::Succeeded => Succeeded::schema(),
        EventType::Failed => Failed::schema(),
        EventType::Queued
        | EventType::Blocked
        | EventType::Released
        | EventType::CancelRequested
        | EventType::Canceled => ObjectBuilder::new().description(Some("Nothing to say.")).into(),
    }
}

/// Events of a job, oldest first.
#[derive(ToSchema)]
pub struct JobEventPage {
    items: Vec<Event>,
    /// The next `after`.
    next_after: u32,
    /// The final event has been seen.
    done: bool,
}

/// Events of the whole feed, oldest first.
#[derive(ToSchema)]
pub struct EventPage {
    items: Vec<Event>,
    /// The next `after`.
    next_after: String,
    /// Always false: a feed has no end.
    done: bool,
    /// Nothing more was there to read. With a filter, pages before that may be empty.
    at_head: bool,
}
