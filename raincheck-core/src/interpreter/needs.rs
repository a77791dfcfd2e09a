use super::facts::ChunkPlace;
use super::sweep::Due;
use crate::id::JobNo;
use crate::lease::LeaseRef;
use crate::name::Name;
use crate::object::ObjectKind;

/// What a command must know and does not yet, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs<'c> {
    /// [`Facts::job`].
    pub job: Option<JobNo>,
    /// [`Facts::lease`].
    pub lease: Option<LeaseRef>,
    /// [`Facts::recorded`], of this job.
    pub recorded: Option<JobNo>,
    /// [`Facts::retry`], of this job.
    pub retry: Option<JobNo>,
    /// [`Facts::part`].
    pub part: Option<ChunkPlace>,
    /// [`Facts::queue`].
    pub queue: Option<&'c Name>,
    /// [`Facts::object`].
    pub object: Option<(ObjectKind, &'c Name)>,
    /// [`Facts::due`].
    pub due: Option<Due>,
}

impl Needs<'_> {
    /// It can be carried out.
    pub fn is_empty(&self) -> bool {
        *self == Needs::default()
    }
}
