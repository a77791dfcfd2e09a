//! Named objects: what is kept beside jobs under a name that people choose, and replaced as a whole.

use bytes::Bytes;

use crate::event::Cursor;
use crate::name::Name;
use crate::place::Place;
use crate::time::Timestamp;

/// What a named object is. Names are unique within a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// A place in the change feed that a reader has come to.
    Reader = 0,
}

impl ObjectKind {
    /// What people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Reader => "reader",
        }
    }

    /// The kind behind a stored number, or `None`.
    pub fn from_number(number: i64) -> Option<ObjectKind> {
        match number {
            0 => Some(ObjectKind::Reader),
            _ => None,
        }
    }
}

/// A named object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What kind of object it is; names are unique within a kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: Name,
    /// Grows with every change, also when the object was deleted in between.
    pub version: i64,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What is kept: who puts it knows how to read it.
    pub body: Bytes,
}

impl Object {
    /// What is wrong with what is kept, when the latest event of the feed is that one.
    pub fn damage(&self, head: Cursor) -> Option<String> {
        match self.kind {
            ObjectKind::Reader => match Place::from_bytes(&self.body) {
                None => Some("its place cannot be read".to_owned()),
                Some(place) if place.at > head => {
                    Some(format!("it has read up to {}, and the last event is {}", place.at.0, head.0))
                }
                Some(_) => None,
            },
        }
    }
}

/// What a change of a named object takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing.
    Anything,
    /// There is none.
    Absent,
    /// There is one.
    Present,
    /// It is of this version.
    Version(i64),
}

impl Expected {
    /// Whether it is so.
    pub fn holds(self, found: Option<&Object>) -> bool {
        match self {
            Expected::Anything => true,
            Expected::Absent => found.is_none(),
            Expected::Present => found.is_some(),
            Expected::Version(version) => found.is_some_and(|object| object.version == version),
        }
    }
}

/// A named object that is made, or takes the place of the one that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Put {
    /// See [`Object::kind`].
    pub kind: ObjectKind,
    /// See [`Object::name`].
    pub name: Name,
    /// Else nothing happens.
    pub expected: Expected,
    /// See [`Object::body`].
    pub body: Bytes,
}

/// A named object that goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// See [`Object::kind`].
    pub kind: ObjectKind,
    /// See [`Object::name`].
    pub name: Name,
    /// Else nothing happens.
    pub expected: Expected,
}
