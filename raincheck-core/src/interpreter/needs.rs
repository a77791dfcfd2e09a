//! What must still be known, by name.

use super::facts::ChunkPlace;
use super::sweep::Due;
use crate::id::JobNo;
use crate::lease::LeaseRef;
use crate::name::Name;
use crate::object::ObjectKind;

/// What a command must know and does not yet, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs<'c> {
    /// [`super::Facts::job`].
    pub job: Option<JobNo>,
    /// [`super::Facts::lease`].
    pub lease: Option<LeaseRef>,
    /// [`super::Facts::recorded`], of this job.
    pub recorded: Option<JobNo>,
    /// [`super::Facts::retry`], of this job.
    pub retry: Option<JobNo>,
    /// [`super::Facts::part`].
    pub part: Option<ChunkPlace>,
    /// [`super::Facts::queue`].
    pub queue: Option<&'c Name>,
    /// [`super::Facts::object`].
    pub object: Option<(ObjectKind, &'c Name)>,
    /// [`super::Facts::due`].
    pub due: Option<Due>,
}

impl Needs<'_> {
    /// It can be carried out.
    pub fn is_empty(&self) -> bool {
        *self == Needs::default()
    }
}
